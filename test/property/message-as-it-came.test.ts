import * as fc from "fast-check";
import type { Message } from "rhea";
import rhea from "rhea";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeStandaloneHostLink } from "../../shared/adapters/standalone-host/host-link.ts";
import { type HostUnderTest, startHostUnderTest } from "../support/host-under-test.ts";
import { PROPERTY_TIMEOUT_MS, propertyOptions } from "../support/property-options.ts";
import { bytes, messageOf, nested, sendRaw } from "../support/raw-amqp.ts";

const source = { queue: "q" };
let host: HostUnderTest;
beforeAll(async () => {
  host = await startHostUnderTest();
});
afterAll(() => host.close());

/** Sends a message. Resolves to what its delivery hands over, and to what a peek shows. */
async function bothWays(message: Message | Buffer): Promise<{ asItCame: unknown; peeked: unknown }> {
  const link = makeStandaloneHostLink(host.deliveries);
  await sendRaw(host.bus.broker.port, "q", message);
  const invocation = await host.next();
  const { lockToken, sequenceNumber } = invocation;
  const asItCame = link.message(source, lockToken);
  const peeked = await host.broker.peek(source, sequenceNumber);
  await link.complete(lockToken);
  await invocation.end();
  return { asItCame, peeked };
}

const text = fc.string({ unit: "binary", maxLength: 40 });
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noNaN: true }).map((number) => rhea.types.wrap_double(number)),
  fc.boolean(),
  fc.constant(null),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
  fc.integer({ min: 0 }).map((number) => rhea.types.wrap_ulong(number)),
  fc.integer().map((number) => rhea.types.wrap_long(number)),
  fc.integer({ min: 0, max: 4e12 }).map((ms) => rhea.types.wrap_timestamp(ms)),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => rhea.types.wrap_uuid(Buffer.from(id))),
  text.map((name) => rhea.types.wrap_symbol(name)),
  fc.float({ noNaN: true }).map((number) => rhea.types.wrap_float(number)),
  fc.integer({ min: 32, max: 126 }).map((code) => rhea.types.wrap_char(code)),
);
const value = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }).map((items) => rhea.types.wrap_list(items)),
  fc.dictionary(text, scalar, { maxKeys: 3 }),
);
const data = fc.uint8Array({ maxLength: 60 }).map((body) => rhea.message.data_section(Buffer.from(body)));
const sequence = fc.array(scalar, { minLength: 1, maxLength: 3 }).map((items) => rhea.message.sequence_section(items));
const id = fc.oneof(text, fc.integer({ min: 0 }), fc.constantFrom("1e3", "true", '{"a":1}', "2024-01-01T00:00:00Z"));

const aMessage = fc.record(
  {
    body: fc.oneof(data, sequence, value),
    message_id: id,
    correlation_id: id,
    subject: text,
    content_type: text,
    to: text,
    reply_to: text,
    ttl: fc.integer({ min: 60_000, max: 4e9 }),
    application_properties: fc.dictionary(fc.oneof(text, fc.constantFrom("TenantId", "tenantId")), scalar, {
      maxKeys: 4,
    }),
  },
  { requiredKeys: ["body"] },
);

describe("a message as it came on the host's link", () => {
  it("is what a peek shows, whatever a sender wrote", { timeout: PROPERTY_TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(aMessage, async (message) => {
        const { asItCame, peeked } = await bothWays(message);
        expect(asItCame).toBeDefined();
        expect(asItCame).toEqual(peeked);
      }),
      propertyOptions(60),
    );
  });

  it.each([
    ["lists in lists", nested(5_000)],
    ["no type of AMQP", bytes("99")],
    ["a list that is cut short", bytes("d0 00000063 00000009")],
    ["an array of four milliards of nulls", bytes("f0 00000005 ffffffff 40")],
    ["nothing, and properties of null after it", bytes("40 005374 40")],
  ])("is what a peek shows, though it can't be decoded: %s", async (_what, body) => {
    const { asItCame, peeked } = await bothWays(messageOf({ kind: "odd" }, body));
    expect(asItCame).toMatchObject({ bodyUnreadable: true, properties: { kind: "odd" } });
    expect(asItCame).toEqual(peeked);
  });
});
