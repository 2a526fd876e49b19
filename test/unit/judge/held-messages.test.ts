import { describe, expect, it } from "vitest";
import { makeLog } from "../../../shared/log.ts";
import type { Module } from "../../../shared/modules/module.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { gateName } from "../../../shared/run/gate-state.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import type { MessageToSend } from "../../support/fake-entity.ts";
import { FATES, makeMortal } from "../../support/mortal.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

const GOOD = { subject: "mine", body: Buffer.from('{"size":1}') };
const SCHEMA = { type: "object", properties: { size: { type: "integer" } } };
const RIGHT = aModule({ retry: RETRY, when: { subject: "mine" }, schema: SCHEMA });
const WRONG_WHEN = aModule({ ...RIGHT, when: { subject: "mien" } });
const WRONG_SCHEMA = aModule({ ...RIGHT, schema: { type: "object", properties: { size: { type: "string" } } } });
const FITS_NOTHING = { subject: "nobody's" };

type Replica = ReturnType<World["makeReplica"]>;

const withFiles = (world: World, ...modules: readonly Module[]): Replica =>
  world.makeReplica({ modules: new Map(modules.map((module) => [module.name, module])) });

/** Sends messages and hands each to the next of these replicas. */
async function send(world: World, count: number, message: MessageToSend, ...replicas: readonly Replica[]) {
  const outcomes: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const replica = replicas[index % replicas.length] ?? world;
    const delivery = world.broker.deliver(SOURCE, { messageId: `m-${index}`, ...message });
    outcomes.push(await replica.accept(delivery));
  }
  return outcomes;
}

async function tickFor(world: World, replica: Pick<Replica, "tick">, until: () => boolean): Promise<void> {
  await ticks({ ...world, tick: replica.tick }, until);
}

const inState = (world: World, state: string) =>
  world.broker.messages(SOURCE).filter((message) => message.state === state);
const heldRuns = (world: World) => world.open().filter(({ status }) => status === "held");
const linesOf = (world: World, message: RegExp) => world.lines.filter((line) => message.test(String(line["message"])));
const operator = (replica: Replica) => makeOperator(replica.deps, makeLog({ info() {}, warn() {}, error() {} }));

/** Lets every Job that is at work succeed. */
function succeedAll(world: World): void {
  for (const { status, jobName } of world.open())
    if (status === "dispatched" && jobName !== undefined && world.cluster.names().includes(jobName))
      world.cluster.succeed(jobName);
}

async function untilAllAreDone(world: World, replica: Replica): Promise<void> {
  await tickFor(world, replica, () => {
    succeedAll(world);
    return world.open().length === 0;
  });
}

describe.each([
  ["`when`", WRONG_WHEN, "source:thumbnails"],
  ["schema", WRONG_SCHEMA, "module:thumbnail"],
])("a deployment with a wrong %s and fifty messages", (_, wrong, gate) => {
  it("dead-letters ten and holds forty, and all forty run once the file is mended", async () => {
    const world = makeWorld([wrong]);
    const outcomes = await send(world, 50, GOOD);
    expect(outcomes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => "rejected"));
    expect(outcomes.slice(10)).toEqual(Array.from({ length: 40 }, () => "held"));
    await world.tick();
    await world.tick();
    expect(inState(world, "dead-lettered")).toHaveLength(10);
    expect(inState(world, "deferred")).toHaveLength(40);
    expect(heldRuns(world)).toHaveLength(40);

    const mended = withFiles(world, RIGHT);
    await untilAllAreDone(world, mended);
    expect(inState(world, "completed")).toHaveLength(40);
    expect(inState(world, "dead-lettered")).toHaveLength(10);
  });

  it("says so once, with the gate and the reason, however many replicas share the messages", async () => {
    const world = makeWorld([wrong]);
    const outcomes = await send(world, 50, GOOD, world, world.makeReplica(), world.makeReplica());
    expect(outcomes.filter((outcome) => outcome === "rejected")).toHaveLength(10);
    expect(outcomes.filter((outcome) => outcome === "held")).toHaveLength(40);
    expect(linesOf(world, /^holding messages/)).toEqual([
      expect.objectContaining({
        level: "error",
        gate,
        why: expect.stringMatching(/no module takes|breaks its schema/),
      }),
    ]);
  });

  it("dead-letters ten and no more, though replicas judge at the same time", async () => {
    const world = makeWorld([wrong]);
    const replicas = [world, world.makeReplica(), world.makeReplica()];
    const deliveries = Array.from({ length: 60 }, (_, index) =>
      world.broker.deliver(SOURCE, { messageId: `m-${index}`, ...GOOD }),
    );
    const outcomes = await Promise.all(
      deliveries.map((delivery, index) => (replicas[index % 3] ?? world).accept(delivery)),
    );
    expect(outcomes.filter((outcome) => outcome === "rejected")).toHaveLength(10);
    expect(outcomes.filter((outcome) => outcome === "held").length).toBeGreaterThanOrEqual(40);
    expect(linesOf(world, /^holding messages/)).toHaveLength(1);
  });

  it("loses ten messages more, and not all, if the mended file is wrong too", async () => {
    const world = makeWorld([wrong]);
    await send(world, 50, GOOD);
    const worse = withFiles(world, aModule({ ...wrong, when: { subject: "main" } }));
    await tickFor(world, worse, () => false);
    expect(inState(world, "dead-lettered")).toHaveLength(20);
    expect(heldRuns(world)).toHaveLength(30);

    await untilAllAreDone(world, withFiles(world, RIGHT));
    expect(inState(world, "completed")).toHaveLength(30);
  });

  it("judges what is held once a person says so, and rejects it", async () => {
    const world = makeWorld([wrong]);
    await send(world, 50, GOOD);
    expect((await operator(world).audit()).findings).toEqual([
      expect.objectContaining({ kind: "shut gate", gate, held: 40, mayBeMore: false }),
    ]);
    expect(await operator(world).openGates([gate], BY_HAND)).toEqual([
      [gate, { kind: "done", did: "opened the gate" }],
    ]);
    await tickFor(world, world, () => world.open().length === 0);
    expect(inState(world, "dead-lettered")).toHaveLength(50);
    expect((await operator(world).audit()).findings).toEqual([]);
    expect(await operator(world).openGates([gate], BY_HAND)).toEqual([[gate, { kind: "already", was: "not shut" }]]);
  });
});

describe("ten bad messages", () => {
  it.each([
    ["that no module takes", FITS_NOTHING],
    ["that break the schema", { subject: "mine", body: Buffer.from('{"size":"big"}') }],
  ])("%s stop no good one, which has the held ones rejected", async (_, bad) => {
    const world = makeWorld([RIGHT]);
    await send(world, 15, bad);
    expect(heldRuns(world)).toHaveLength(5);
    await world.tick();
    expect(heldRuns(world)).toHaveLength(5);

    expect(await send(world, 1, GOOD)).toEqual(["dispatched"]);
    expect(linesOf(world, /^judging the held messages/)).toHaveLength(1);
    world.clock.advance(16_000);
    await world.tick();
    expect(heldRuns(world)).toEqual([]);
    expect(inState(world, "dead-lettered")).toHaveLength(15);
    expect(inState(world, "dead-lettered").map(({ letter }) => letter?.reason)).toEqual(
      Array.from({ length: 15 }, () => "DispatchRejected"),
    );
    // The files are proven: bad messages are rejected from now on, however many they are.
    expect(await send(world, 15, bad)).toEqual(Array.from({ length: 15 }, () => "rejected"));
    expect(linesOf(world, /^holding messages/)).toHaveLength(1);
  });

  it("hold nothing once a message was accepted, which costs one write of each gate", async () => {
    const world = makeWorld([RIGHT]);
    await send(world, 1, GOOD);
    const noted = await world.table.gateStates();
    expect(noted.map(({ state }) => `${gateName(state.scope)} is ${state.status}`).toSorted()).toEqual([
      "module:thumbnail is open",
      "source:thumbnails is open",
    ]);
    for (let round = 0; round < 5; round += 1) {
      expect(await send(world, 11, FITS_NOTHING)).not.toContain("held");
      await send(world, 1, GOOD);
    }
    expect(await world.table.gateStates()).toEqual(noted);
    expect(heldRuns(world)).toEqual([]);
  });

  it("hold nothing after a restart, if a message was accepted before", async () => {
    const world = makeWorld([RIGHT]);
    await send(world, 1, GOOD);
    expect(await send(world, 12, FITS_NOTHING, world.makeReplica())).toEqual(
      Array.from({ length: 12 }, () => "rejected"),
    );
  });

  it("are counted after the files change, whatever was accepted before", async () => {
    const world = makeWorld([RIGHT]);
    await send(world, 1, GOOD);
    expect(await send(world, 11, GOOD, withFiles(world, WRONG_WHEN))).toContain("held");
  });

  it("hold nothing for long if another replica accepts", async () => {
    const world = makeWorld([RIGHT]);
    const other = world.makeReplica();
    await send(world, 3, FITS_NOTHING, world);
    world.clock.advance(11_000);
    await send(world, 1, GOOD, other);
    expect((await world.table.gateStates()).map(({ state }) => state.status)).toEqual(["open", "open"]);
    expect(await send(world, 20, FITS_NOTHING, world)).not.toContain("held");
  });

  it("count once, however often each is delivered", async () => {
    const world = makeWorld([WRONG_WHEN]);
    await send(world, 9, GOOD);
    world.broker.failNext("deadLetterLocked");
    expect(await send(world, 1, GOOD)).toEqual(["left"]);
    const again = world.redeliver();
    expect(await world.accept(again)).toBe("rejected");
    expect(inState(world, "dead-lettered")).toHaveLength(10);
    expect((await world.table.gateStates())[0]?.state.rejected).toHaveLength(10);
  });
});

describe("a rollout", () => {
  it("has the old replicas dead-letter ten and no more, however many messages the new ones accept", async () => {
    const world = makeWorld([WRONG_WHEN]);
    await send(world, 11, GOOD);
    for (const _ of [1, 2, 3]) {
      expect(await send(world, 1, GOOD, withFiles(world, RIGHT))).toEqual(["dispatched"]);
      world.clock.advance(11_000);
      expect(await send(world, 1, GOOD)).toEqual(["held"]);
    }
    const restarted = withFiles(world, RIGHT);
    expect(await send(world, 11, FITS_NOTHING, restarted)).not.toContain("held");
  });

  it("between two versions that accept messages costs each replica one write of each gate", async () => {
    const world = makeWorld([RIGHT]);
    const other = withFiles(world, aModule({ ...RIGHT, when: undefined }));
    let writes = 0;
    const counted = {
      ...world.table,
      saveGateState: (...args: Parameters<typeof world.table.saveGateState>) => {
        writes += 1;
        return world.table.saveGateState(...args);
      },
    };
    const [a, b] = [world.deps, other.deps].map(({ modules }) => world.makeReplica({ tables: counted, modules }));
    if (!a || !b) throw new Error("no replicas");
    for (let round = 0; round < 5; round += 1) {
      await send(world, 2, GOOD, a, b);
      world.clock.advance(11_000);
    }
    expect(writes).toBe(4);
  });
});

describe("a message that was accepted", () => {
  it("is not judged again and does not count, if it is delivered again under other files", async () => {
    const world = makeWorld([RIGHT]);
    world.broker.failNext("defer");
    expect(await send(world, 1, GOOD)).toEqual(["left"]);
    const wrong = withFiles(world, WRONG_WHEN);
    expect(await wrong.accept(world.redeliver())).toBe("dispatched");
    expect((await world.table.gateStates()).map(({ state }) => state.status)).toEqual(["open", "open"]);
    expect(world.run()).toMatchObject({ status: "dispatched", module: "thumbnail" });
  });
});

describe("a held run", () => {
  async function held(world = makeWorld([WRONG_WHEN])): Promise<World> {
    await send(world, 11, GOOD);
    expect(world.run()).toMatchObject({
      status: "held",
      module: "",
      lastError: expect.stringMatching(/no module takes/),
    });
    return world;
  }

  it("is known to the sweep, which leaves its message alone", async () => {
    const world = await held();
    for (let tick = 0; tick < 3; tick += 1) await world.tick();
    expect(world.run().status).toBe("held");
    expect(world.lastTick()).toMatchObject({ orphans: 0, failed: 0, waiting: { held: 1 } });
  });

  it.each([
    ["by the right file, and runs", RIGHT, "completed"],
    ["by the wrong file, and stays held", WRONG_SCHEMA, "deferred"],
  ])("is held again if its row is lost, and judged %s", async (_, module, state) => {
    const world = makeWorld([WRONG_SCHEMA]);
    await send(world, 11, GOOD);
    const { sequenceNumber } = world.run();
    world.table.forget(world.run());
    await world.tick();
    expect(world.run()).toMatchObject({ sequenceNumber, status: "held", module: "thumbnail" });
    const replica = withFiles(world, module);
    for (let tick = 0; tick < 5; tick += 1) {
      world.clock.advance(16_000);
      await replica.tick();
      succeedAll(world);
    }
    expect(world.message(sequenceNumber).state).toBe(state);
  });

  it("is nothing for a person if its row is lost, and can be adopted all the same", async () => {
    const world = await held();
    const { sequenceNumber, enqueuedAt } = world.run();
    world.table.forget(world.run());
    const person = operator(world);
    expect((await person.audit()).findings).toMatchObject([{ kind: "message without a row", module: undefined }]);
    const id = `thumbnails:${sequenceNumber}:${enqueuedAt}`;
    expect(await person.adopt([id], BY_HAND)).toEqual([[id, { kind: "done", did: "adopted to be judged" }]]);
    expect(world.run()).toMatchObject({ sequenceNumber, status: "held", module: "" });
  });

  it("is followed by its Job if its row is lost after it was accepted", async () => {
    const world = makeWorld([WRONG_WHEN]);
    await send(world, 11, GOOD);
    const mended = withFiles(world, RIGHT);
    await tickFor(world, mended, () => world.run().status === "dispatched");
    const { jobName } = world.run();
    world.table.forget(world.run());
    await tickFor(world, mended, () => world.open().length > 0);
    await tickFor(world, mended, () => world.run().jobName !== undefined);
    expect(world.run()).toMatchObject({ status: "dispatched", jobName });
  });

  it("can be cancelled by hand", async () => {
    const world = await held();
    const { sequenceNumber, enqueuedAt } = world.run();
    const id = `thumbnails:${sequenceNumber}:${enqueuedAt}`;
    expect(await operator(world).cancel([id], BY_HAND)).toEqual([[id, expect.objectContaining({ kind: "done" })]]);
    await world.tick();
    expect(world.message(sequenceNumber).letter?.reason).toBe("Cancelled");
    expect(world.open()).toEqual([]);
  });

  it("is closed as lost if its message is gone when it is judged", async () => {
    const world = await held();
    world.hide(world.run().sequenceNumber);
    await tickFor(world, withFiles(world, RIGHT), () => world.open().length === 0);
    expect(world.closed().find(({ sequenceNumber }) => sequenceNumber === 11)?.status).toBe("lost");
  });

  it("is deferred by the next delivery if the first one died before that, and judged then", async () => {
    const world = makeWorld([WRONG_WHEN]);
    await send(world, 10, GOOD);
    world.broker.failNext("defer");
    expect(await send(world, 1, GOOD)).toEqual(["left"]);
    const mended = withFiles(world, RIGHT);
    await mended.tick();
    expect(world.run().status).toBe("held");
    expect(await mended.accept(world.redeliver())).toBe("deferred");
    await untilAllAreDone(world, mended);
    expect(inState(world, "completed")).toHaveLength(1);
  });

  it("stays held, at another gate, if another module takes it by now and its schema is wrong", async () => {
    const world = await held();
    const other = withFiles(world, WRONG_SCHEMA);
    await send(world, 10, GOOD, other);
    await tickFor(world, other, () => false);
    expect(world.run()).toMatchObject({ status: "held", module: "thumbnail" });
    await untilAllAreDone(world, withFiles(world, RIGHT));
    expect(inState(world, "completed")).toHaveLength(1);
  });

  it("is judged once its module is gone", async () => {
    const world = makeWorld([WRONG_SCHEMA]);
    await send(world, 11, GOOD);
    const other = withFiles(world, aModule({ name: "other", when: { subject: "other" } }));
    await tickFor(world, other, () => world.open().length === 0);
    expect(inState(world, "dead-lettered").at(-1)?.letter?.description).toMatch(/no module takes/);
  });

  it("is judged once a renamed module takes it, though its source's gate is shut for other messages", async () => {
    const world = makeWorld([WRONG_SCHEMA]);
    await send(world, 11, FITS_NOTHING);
    await send(world, 11, GOOD);
    await world.tick();
    expect(heldRuns(world).map(({ module }) => module)).toEqual(["", "thumbnail"]);

    const renamed = withFiles(world, aModule({ ...WRONG_SCHEMA, name: "renamed" }));
    await tickFor(world, renamed, () => false);
    expect(heldRuns(world)).toHaveLength(1);
    expect(inState(world, "dead-lettered").at(-1)?.letter?.description).toMatch(/breaks its schema/);
    const mended = withFiles(world, aModule({ ...RIGHT, name: "renamed" }));
    await send(world, 1, GOOD, mended);
    await untilAllAreDone(world, mended);
    expect(inState(world, "completed")).toHaveLength(1);
  });

  it("is at its source's gate from then on, if its module is gone and no other takes it", async () => {
    const world = makeWorld([WRONG_SCHEMA, aModule({ ...RIGHT, name: "other", when: { subject: "other" } })]);
    await send(world, 11, GOOD);
    const less = withFiles(world, aModule({ ...RIGHT, name: "other", when: { subject: "other" } }));
    await send(world, 10, FITS_NOTHING, less);
    await tickFor(world, less, () => false);
    expect(world.run()).toMatchObject({ status: "held", module: "" });
    expect((await operator(less).audit()).findings).toEqual([
      expect.objectContaining({ kind: "shut gate", gate: "source:thumbnails", held: 1 }),
    ]);
  });

  describe.each([
    ["accepted", RIGHT, "completed"],
    ["rejected", aModule({ ...RIGHT, when: { subject: "else" } }), "dead-lettered"],
  ])("that is judged and %s", (_, module, state) => {
    it.each(FATES)("ends so once, whatever call of the tick that judges it %s", async (kind) => {
      for (let at = 0; ; at += 1) {
        const world = await held();
        const other = withFiles(world, module);
        world.clock.advance(16_000);
        const { ports, calls } = makeMortal(world.deps, { kind, at, overtake: other.tick, sleep: other.tick });
        await world
          .makeReplica({ ...ports, modules: other.deps.modules })
          .tick()
          .catch(() => undefined);
        await untilAllAreDone(world, other);
        expect(world.message(11).state, `${kind} call ${at}: ${calls[at]}`).toBe(state);
        expect(world.closed()).toHaveLength(11);
        if (at >= calls.length) break;
      }
    });
  });

  it("costs a tick one look while its gate is shut", async () => {
    const world = await held();
    await send(world, 30, GOOD);
    let reads = 0;
    const counted = {
      ...world.table,
      held: (...args: Parameters<typeof world.table.held>) => {
        reads += 1;
        return world.table.held(...args);
      },
    };
    await world.makeReplica({ tables: counted }).tick();
    expect(reads).toBe(0);
  });
});
