import { describe, expect, it } from "vitest";
import { otherLetter, otherLetters } from "../../../../shared/operate/views/other-letters.ts";
import { type RunKey, runId } from "../../../../shared/run/run.ts";
import { aModule } from "../../../support/a-module.ts";
import { apiOf } from "../../../support/api-of.ts";
import { makeWorld, SOURCE, ticks, type World } from "../../../support/world.ts";

/** Has another program dead-letter a message. */
async function bury(world: World, messageId: string, { body = "{}", properties = {}, reason = "Theirs" } = {}) {
  const { lockToken } = world.broker.deliver(SOURCE, { messageId, body, properties, subject: "s" });
  const stamps = { reason, description: `why ${messageId}`, properties: {} };
  await world.broker.deadLetterLocked(SOURCE, lockToken, stamps);
}

/** A world in whose dead letter queue a run's letter lies between two of others. */
async function mixed(world = makeWorld()): Promise<World> {
  await bury(world, "first");
  await world.send({ messageId: "ours" });
  world.cluster.fail(world.jobName(), 64);
  await ticks(world, () => world.open().length === 0);
  await bury(world, "last");
  return world;
}

const messageIds = (letters: readonly { readonly messageId?: string }[]) => letters.map(({ messageId }) => messageId);
const idOf = ({ letters: [first] }: { readonly letters: readonly RunKey[] }) => (first ? runId(first) : "");

describe("dead letters of others", () => {
  it("are those that no run left, with what is known of them", async () => {
    const world = await mixed();
    const page = await otherLetters(world.deps, { limit: 9 });
    expect(page).toMatchObject({ scanned: 3, next: undefined });
    expect(messageIds(page.letters)).toEqual(["first", "last"]);
    expect(page.letters[0]).toEqual({
      source: SOURCE,
      sequenceNumber: 1,
      enqueuedAt: expect.any(Number),
      messageId: "first",
      subject: "s",
      reason: "Theirs",
      description: "why first",
      module: "thumbnail",
    });
  });

  it("come page by page, and a page ends where the next one begins", async () => {
    const world = await mixed();
    const first = await otherLetters(world.deps, { limit: 1 });
    expect(messageIds(first.letters)).toEqual(["first"]);
    expect(first.next).toMatchObject({ sequenceNumber: 2 });
    const after = first.next && runId(first.next);
    const second = await otherLetters(world.deps, { limit: 1, after });
    expect(messageIds(second.letters)).toEqual(["last"]);
    expect(second.next).toBeUndefined();
    await expect(otherLetters(world.deps, { limit: 1, after: "elsewhere:1:1" })).rejects.toThrow(RangeError);
  });

  it("say why they can't be redriven", async () => {
    const schema = { type: "object", required: ["size"] };
    const world = makeWorld([aModule({ schema })]);
    await bury(world, "right", { body: '{"size":1}' });
    await bury(world, "wrong");
    await bury(world, "held", { properties: { "dispatcher-owner": "somebody" } });
    const { letters } = await otherLetters(world.deps, { limit: 9 });
    expect(letters.map(({ hindrance }) => hindrance)).toEqual([undefined, "schema", "another instance"]);
    expect(letters[1]?.problem).toContain("size");
  });

  it("are each shown by the id that its run would have, with its body if that is asked for", async () => {
    const world = await mixed();
    const id = idOf(await otherLetters(world.deps, { limit: 1 }));
    const shown = await otherLetter(world.deps, id);
    expect(shown).toMatchObject({ letter: { messageId: "first" }, onBus: { state: "active", bodyBytes: 2 } });
    expect(shown?.onBus).not.toHaveProperty("content");
    const whole = await otherLetter(world.deps, id.toUpperCase(), { withContent: true });
    expect(Buffer.from(whole?.onBus.content?.body ?? "").toString()).toBe("{}");
    // Of a run, of another time, of no letter, of no source.
    const [closed] = world.closed();
    const none = [closed ? runId(closed) : "", `${id}1`, "thumbnails:99:1", "elsewhere:1:1", "nonsense"];
    for (const other of none) expect(await otherLetter(world.deps, other)).toBeUndefined();
  });

  it("can be redriven by these ids", async () => {
    const world = await mixed();
    const id = idOf(await otherLetters(world.deps, { limit: 1 }));
    const asked = await apiOf(world).post("/dead-letters/redrive", { runs: [id], dryRun: true });
    expect(asked.said).toMatchObject({ plans: [{ letters: 1 }] });
  });

  it("are asked for by the API, whose bodies take the role of an operator", async () => {
    const world = await mixed();
    const id = encodeURIComponent(idOf(await otherLetters(world.deps, { limit: 1 })));
    const first = await apiOf(world).get("/other-letters?limit=1");
    expect(first.said).toMatchObject({ letters: [{ messageId: "first" }], scanned: 2 });
    const shown = await apiOf(world, { role: "viewer" }).get(`/other-letters/${id}`);
    expect(shown.said).toMatchObject({ letter: { reason: "Theirs" }, onBus: { bodyBytes: 2 } });
    const content = await apiOf(world).get(`/other-letters/${id}/content`);
    expect(content.said).toMatchObject({ found: { body: "{}", properties: { DeadLetterReason: "Theirs" } } });
    expect(await apiOf(world, { role: "viewer" }).get(`/other-letters/${id}/content`)).toMatchObject({ status: 403 });
    expect(await apiOf(world).get("/other-letters/thumbnails%3A99%3A1")).toMatchObject({ status: 404 });
    expect(await apiOf(world).get("/other-letters?after=x")).toMatchObject({ status: 400 });
  });
});
