import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import type { MessageToSend } from "../../support/fake-entity.ts";
import { makeWorld, RETRY } from "../../support/world.ts";

const MARK = "sEnDeR";
const LONG = MARK.padEnd(128, "é");

const PROPERTIES = {
  text: `${MARK} $(DISPATCHER_RUN_ID) \0 \u2028 💥`,
  half: "\uD800",
  number: 1.5,
  notANumber: Number.NaN,
  long: 2n ** 63n - 1n,
  boolean: true,
  nothing: null,
  at: new Date(0),
  never: new Date(Number.NaN),
  bytes: Uint8Array.of(0, 255),
  list: [1, [2n, { deep: 3n }]],
  map: { inner: 9n, "ion/message": MARK, __proto__: null },
  "dispatcher-attempt": "many",
  "dispatcher-owner": "forged",
  "": "no name",
};

/** Odd messages that the Dispatcher accepts, runs and settles like any other. */
const ODD: readonly (MessageToSend & { readonly name: string })[] = [
  { name: "no id", messageId: "" },
  { name: "an id of 128 characters", messageId: LONG },
  { name: "ids of any Unicode", messageId: "💥\u202E\uD800", correlationId: "\u0000\uFFFF" },
  { name: "NUL in ids", messageId: `a\0${MARK}`, correlationId: "\0", subject: "\0" },
  {
    name: "$(NAME) in ids",
    messageId: `$(${MARK}) $$(PATH)`,
    correlationId: "$(DISPATCHER_RUN_ID)",
    subject: "$(HOME)",
  },
  { name: "table and URL syntax in ids", messageId: `/\\#?%2F'"|${MARK}`, correlationId: "../../x" },
  { name: "an empty body", body: "" },
  { name: "malformed JSON", body: `{"a": ${MARK}`, contentType: "application/json" },
  { name: "a content type that is malformed", contentType: `${MARK}\r\nX: y` },
  { name: "a binary body", body: Uint8Array.from({ length: 256 }, (_, byte) => byte) },
  { name: "properties of every type", properties: PROPERTIES },
  { name: "64 KB of properties", properties: { [MARK]: "\u0001".repeat(31_000), more: "x".repeat(31_000) } },
  { name: "a body at the size limit", body: Buffer.alloc(256 * 1024, MARK) },
  {
    name: "a body at the limit and 64 KB of properties",
    body: Buffer.alloc(200_000),
    properties: { p: "x".repeat(60_000) },
  },
];

describe.each(ODD)("a message with $name", (message) => {
  it("is run and completed, and its spec has no text of the sender's", async () => {
    const world = makeWorld();
    expect((await world.send(message)).outcome).toBe("dispatched");
    const job = structuredClone(world.cluster.job(world.jobName()));
    // The pod's own annotations are data, because only `fieldRef` reads them.
    if (job.spec) delete job.spec.template.metadata?.annotations;
    expect(JSON.stringify(job)).not.toContain(MARK);
    const annotations = world.cluster.creates[0]?.spec?.template.metadata?.annotations ?? {};
    expect(JSON.stringify(annotations).length).toBeLessThan(256 * 1024);
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("is requeued, and dead-lettered in the end", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 2 } })]);
    await world.send(message);
    for (const attempt of [1, 2]) {
      expect(world.run()).toMatchObject({ status: "dispatched", attempt });
      world.cluster.run(world.jobName());
      world.cluster.fail(world.jobName());
      await world.tick();
      world.clock.advance(10_000);
      await world.tick();
    }
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "JobFailed" } });
    expect(world.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("is rejected if it fits no module", async () => {
    const world = makeWorld([aModule({ when: { subject: "mine" } })]);
    expect((await world.send(message)).outcome).toBe("rejected");
    expect(world.message(1).letter?.reason).toBe("DispatchRejected");
  });
});

describe("bodies that break a schema", () => {
  const module = aModule({ schema: { type: "object", properties: { size: { type: "integer" } } } });

  it.each([
    ["empty", "", "the body is empty"],
    ["malformed", `{"secret": ${MARK}`, "the body is not JSON"],
    ["not UTF-8", Uint8Array.of(0xff, 0xfe), "not UTF-8"],
    ["wrong", `{"size":"${MARK}"}`, "/size"],
  ])("are rejected with a reason that quotes nothing of them: %s", async (_, body, why) => {
    const world = makeWorld([module]);
    expect((await world.send({ body })).outcome).toBe("rejected");
    expect(world.message(1).letter?.description).toContain(why);
    expect(JSON.stringify([world.lines, world.message(1).letter])).not.toContain(MARK);
    expect(world.cluster.creates).toHaveLength(0);
  });
});
