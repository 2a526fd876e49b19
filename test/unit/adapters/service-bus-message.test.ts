import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import Long from "long";
import { expect, it } from "vitest";
import { toPeekedMessage } from "../../../shared/adapters/service-bus-message.ts";

/** The bytes of a message whose body is an AMQP value. */
function bytesOf(body: unknown): string {
  const message = { sequenceNumber: Long.ONE, state: "active", enqueuedTimeUtc: new Date(0), body };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only what is read of it is here.
  return Buffer.from(toPeekedMessage({ queue: "q" }, message as unknown as ServiceBusReceivedMessage).body).toString();
}

it("gives a body that is an AMQP value as JSON, with 64-bit integers as text, so that one odd message stops no peek", () => {
  expect(bytesOf({ id: 2n ** 63n - 1n, list: [1n] })).toBe('{"id":"9223372036854775807","list":["1"]}');
  expect(bytesOf(2n ** 63n)).toBe('"9223372036854775808"');
  expect(bytesOf(42)).toBe("42");
});
