import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { watchPorts } from "../../support/watched-ports.ts";
import { makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

/** A little more than what was seen is believed for. */
const EVERY_MS = 10_100;

/** A replica of a world whose calls to the servers are noted. It has listed everything, with the rows as they are now. */
async function watched(world: World) {
  let calls: string[] = [];
  const ports = watchPorts(world.deps, (name, method) => {
    calls.push(name);
    return method();
  });
  const replica = world.makeReplica(ports);
  /** Ticks some 10 s after the last tick. Resolves to what the tick asked of the servers. */
  async function asked(tick: () => Promise<void>): Promise<readonly string[]> {
    world.clock.advance(EVERY_MS);
    calls = [];
    await tick();
    return calls.toSorted();
  }
  await asked(replica.tick);
  return { light: () => asked(replica.lightTick), full: () => asked(replica.tick) };
}

const ROWS = ["table.atWork", "table.heads", "table.later"];

describe("what a tick asks of the servers", () => {
  it("is two looks for rows if it is light and no run is open", async () => {
    const { light } = await watched(makeWorld());
    for (let n = 0; n < 5; n += 1) expect(await light()).toEqual(["table.anyReady", "table.later"]);
  });

  it("is the rows of a source again if another replica took a message on", async () => {
    const world = makeWorld();
    const { light } = await watched(world);
    await light();
    await world.send();
    const first = await light();
    expect(first).toEqual(expect.arrayContaining(["table.anyReady", ...ROWS]));
    expect(await light()).not.toContain("table.anyReady");
  });

  it("is all that may have changed if it lists, once a minute", async () => {
    const { light, full } = await watched(makeWorld());
    for (let n = 0; n < 5; n += 1) await light();
    expect(await full()).toEqual(
      [
        ...ROWS,
        "table.heldHeads",
        "table.sources",
        "table.moduleStates",
        "table.limits",
        "table.gateStates",
        "table.heldSources",
        "table.cluster",
        "table.sweepCursor",
        "table.owner",
        "table.knownToWait",
        "table.recordTick",
        "cluster.namespaceUid",
        "cluster.listJobs",
        "cluster.listPods",
        "cluster.listCancelled",
        // The sweep, and the look for messages that are not delivered.
        "broker.browse",
        "broker.browse",
        "payloads.listBodies",
      ].toSorted(),
    );
  });

  it("is the holds and what is cancelled beside the rows if it is light and a run is at work", async () => {
    const world = makeWorld();
    await world.send();
    world.cluster.run(world.jobName());
    const { light } = await watched(world);
    for (let n = 0; n < 4; n += 1)
      expect(await light()).toEqual(
        [
          ...ROWS,
          "table.moduleStates",
          "table.limits",
          "table.heldSources",
          "table.cluster",
          "table.recordTick",
          "cluster.namespaceUid",
          "cluster.listCancelled",
        ].toSorted(),
      );
  });

  it("is what is held, too, if the last tick that listed saw that a run is", async () => {
    const world = makeWorld([aModule({ retry: RETRY, when: { subject: "wanted" } })]);
    for (let n = 0; n < 11; n += 1) await world.send({ subject: "unwanted" });
    expect(world.open()).toMatchObject([{ status: "held" }]);
    const { light } = await watched(world);
    expect(await light()).toEqual(expect.arrayContaining(["table.heldHeads", "table.gateStates"]));
  });
});

describe("a sweep that is not through", () => {
  /** A world whose source has messages enough for three pages, and a replica that has taken the first one. */
  async function withThreePages() {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1_000 })]);
    for (let n = 0; n < 120; n += 1) await world.send({ messageId: `m-${n + 1}` });
    const { light, full } = await watched(world);
    const isSwept = (asked: readonly string[]) => asked.includes("table.sweepCursor");
    return {
      world,
      lose: (sequenceNumber: number): void => {
        const run = world.open().find((one) => one.sequenceNumber === sequenceNumber);
        if (!run) throw new Error(`there is no run ${sequenceNumber}`);
        world.table.forget(run);
      },
      isOpen: (number: number) => world.open().some(({ sequenceNumber }) => sequenceNumber === number),
      light: async () => isSwept(await light()),
      full: async () => isSwept(await full()),
    };
  }

  it("goes on in light ticks at first, and rests when it is through", async () => {
    const { world, lose, isOpen, light } = await withThreePages();
    lose(120);
    const lists = () => world.cluster.calls.get("listJobs") ?? 0;
    const before = lists();
    expect([await light(), await light()]).toEqual([true, true]);
    expect(isOpen(120)).toBe(true);
    // The row is made by a list of the Jobs only.
    expect(lists()).toBe(before + 1);
    expect(await light()).toBe(false);
  });

  it("is left to ticks that list once it has come through and found nothing", async () => {
    const { light, full } = await withThreePages();
    expect([await light(), await light()]).toEqual([true, true]);
    for (let page = 0; page < 3; page += 1)
      expect([await full(), await light(), await light()]).toEqual([true, false, false]);
  });

  it("goes on in light ticks again from what it finds, until it has come through and found nothing", async () => {
    const { lose, isOpen, light, full } = await withThreePages();
    expect([await light(), await light()]).toEqual([true, true]);
    lose(2);
    lose(118);
    // The first page finds the first of them, and the others follow at once.
    expect([await full(), isOpen(2), isOpen(118)]).toEqual([true, true, false]);
    expect([await light(), await light(), await light()]).toEqual([true, true, false]);
    expect(isOpen(118)).toBe(true);
    // The next walk finds nothing, and the one after it is calm.
    expect([await full(), await light(), await light(), await light()]).toEqual([true, true, true, false]);
    expect([await full(), await light()]).toEqual([true, false]);
  });

  it("does not hurry because of messages that it leaves alone", async () => {
    const { world, light, full } = await withThreePages();
    for (let n = 0; n < 60; n += 1) {
      const { lockToken } = world.broker.deliver(SOURCE);
      await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "another instance" });
    }
    for (let page = 0; page < 3; page += 1) expect(await light()).toBe(true);
    for (let page = 0; page < 4; page += 1) expect([await full(), await light()]).toEqual([true, false]);
    expect(world.lines.filter(({ orphans }) => Number(orphans) > 0)).not.toEqual([]);
  });
});
