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
  it("goes on in light ticks, and rests when it is through", async () => {
    const world = makeWorld();
    for (let n = 0; n < 60; n += 1) await world.send({ messageId: `m-${n + 1}` });
    const { light } = await watched(world);
    const last = world.open().find(({ sequenceNumber }) => sequenceNumber === 60);
    if (!last) throw new Error("there is no run 60");
    world.table.forget(last);
    const lists = () => world.cluster.calls.get("listJobs") ?? 0;
    const before = lists();
    expect(await light()).toContain("broker.browse");
    expect(world.open().filter(({ source, sequenceNumber }) => source === SOURCE && sequenceNumber === 60)).toEqual([]);
    expect(world.open().map(({ sequenceNumber }) => sequenceNumber)).toContain(60);
    // The row is made by a list of the Jobs only.
    expect(lists()).toBe(before + 1);
    expect(await light()).not.toContain("broker.browse");
  });
});
