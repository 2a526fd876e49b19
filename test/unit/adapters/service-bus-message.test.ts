import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import Long from "long";
import { expect, it } from "vitest";
import { ofMessage } from "../../../host/message-trigger.ts";
import { toPeekedMessage } from "../../../shared/adapters/service-bus/message.ts";

/** A message whose body is an AMQP value. */
function received(body: unknown): ServiceBusReceivedMessage {
  const message = { sequenceNumber: Long.ONE, state: "active", enqueuedTimeUtc: new Date(0), body };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only what is read of it is here.
  return message as unknown as ServiceBusReceivedMessage;
}

function bytesOf(body: unknown): string {
  return Buffer.from(toPeekedMessage({ queue: "q" }, received(body)).body).toString();
}

/** What code that is warm still decodes, and JSON can't write. */
function deep(): unknown {
  let body: unknown = [];
  for (let level = 0; level < 50_000; level += 1) body = [body];
  return body;
}

it("gives a body that is an AMQP value as JSON, with 64-bit integers as text, so that one odd message stops no peek", () => {
  expect(bytesOf({ id: 2n ** 63n - 1n, list: [1n] })).toBe('{"id":"9223372036854775807","list":["1"]}');
  expect(bytesOf(2n ** 63n)).toBe('"9223372036854775808"');
  expect(bytesOf(42)).toBe("42");
});

it("takes a body that is too deep for JSON for unreadable", () => {
  const message = toPeekedMessage({ queue: "q" }, received(deep()));
  expect(message).toMatchObject({ body: new Uint8Array(), bodyUnreadable: true });
});

it("hands a body that is too deep for JSON to its function without one, which peeks anyway: the host would abandon it at once", () => {
  expect(ofMessage(received(deep()), "string").input).toEqual({ string: "" });
});
