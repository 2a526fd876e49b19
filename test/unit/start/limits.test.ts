import { describe, expect, it } from "vitest";
import type { Dependencies } from "../../../shared/dependencies.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeReadiness } from "../../../shared/health.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { aModule } from "../../support/a-module.ts";
import type { Ports } from "../../support/watched-ports.ts";
import { watchPorts } from "../../support/watched-ports.ts";
import { makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

const BY = { who: "ada@laptop", why: "the store is full" };
const MODULE = "thumbnail";

const operatorOf = ({ deps, log }: World) => makeOperator(deps, log);
const aWorld = (maxActive = 2) => makeWorld([aModule({ retry: RETRY, maxActive })]);
const deliver = (world: World, n: number) => world.broker.deliver(SOURCE, { messageId: `m-${n}`, body: "{}" });
const tickLater = async (world: World, tick = world.tick) => {
  world.clock.advance(10_000);
  await tick();
};
const linesOf = ({ lines }: World, text: string) => lines.filter(({ message }) => message === text);
const jobsOf = (world: World) =>
  world
    .open()
    .filter(({ status }) => status === "dispatched")
    .map(({ messageId }) => messageId);

describe("a paused module", () => {
  it("starts nothing: messages are accepted and wait, and the Jobs at work go on", async () => {
    const world = aWorld();
    await world.send({ messageId: "at work" });
    expect(await operatorOf(world).pause(MODULE, { by: BY })).toMatchObject([[MODULE, { kind: "done", slots: 0 }]]);
    world.clock.advance(10_001);
    for (let n = 1; n <= 3; n += 1) expect(await world.accept(deliver(world, n))).toBe("waiting");
    world.cluster.succeed(world.jobName());
    for (let tick = 0; tick < 3; tick += 1) await tickLater(world);
    expect(world.closed()).toMatchObject([{ messageId: "at work", status: "succeeded" }]);
    expect(world.open().map(({ status }) => status)).toEqual(["waiting", "waiting", "waiting"]);
    expect(world.lastTick()).toMatchObject({ waiting: { paused: 1 }, started: 0 });
    expect(world.message(2).state).toBe("deferred");
  });

  it("starts what waited once it is resumed, the oldest first", async () => {
    const world = aWorld(2);
    await operatorOf(world).pause(MODULE, { by: BY });
    for (let n = 1; n <= 4; n += 1) await world.accept(deliver(world, n));
    await tickLater(world);
    expect(await operatorOf(world).resume(MODULE, { by: BY })).toMatchObject([[MODULE, { kind: "done" }]]);
    await tickLater(world);
    expect(jobsOf(world)).toEqual(["m-1", "m-2"]);
    for (const { jobName, status } of world.open())
      if (status === "dispatched" && jobName !== undefined) world.cluster.succeed(jobName);
    await tickLater(world);
    await tickLater(world);
    expect(jobsOf(world)).toEqual(["m-3", "m-4"]);
  });

  it("waits with the retries too, and they keep their budgets", async () => {
    const world = aWorld();
    await world.send();
    world.cluster.fail(world.jobName());
    await operatorOf(world).pause(MODULE, { by: BY });
    for (let tick = 0; tick < 5; tick += 1) await tickLater(world);
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
    await operatorOf(world).resume(MODULE, { by: BY });
    await tickLater(world);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
  });

  it("is not probed if it has tripped", async () => {
    const world = aWorld(10);
    for (let n = 1; n <= 4; n += 1) {
      world.cluster.refuseNext();
      await world.accept(deliver(world, n));
    }
    await operatorOf(world).pause(MODULE, { by: BY });
    const before = world.cluster.creates.length;
    for (let tick = 0; tick < 30; tick += 1) await tickLater(world);
    expect(world.cluster.creates).toHaveLength(before);
    expect(world.lastTick()).toMatchObject({ waiting: { paused: 1 } });
  });

  it("is paused for each replica within 10 s, also in the middle of a tick and while a body is stored", async () => {
    const world = aWorld(50);
    const puts: (() => void)[] = [];
    const payloads: Dependencies["payloads"] = {
      ...world.deps.payloads,
      putBody: (run, body) =>
        new Promise<void>((resolve) => puts.push(resolve)).then(() => world.deps.payloads.putBody(run, body)),
    };
    const slow = world.makeReplica({ payloads });
    const large = world.broker.deliver(SOURCE, { messageId: "large", body: "x".repeat(20_000) });
    const accepting = slow.accept(large);
    await expect.poll(() => puts.length).toBe(1);
    await operatorOf(world).pause(MODULE, { by: BY });
    world.clock.advance(10_001);
    puts[0]?.();
    expect(await accepting).toBe("waiting");

    await operatorOf(world).resume(MODULE, { by: BY });
    const ticking = (world.clock.advance(10_001), slow.tick());
    await expect.poll(() => puts.length).toBe(2);
    await operatorOf(world).pause(MODULE, { by: BY });
    world.clock.advance(10_001);
    puts[1]?.();
    await ticking;
    expect(world.cluster.creates).toEqual([]);
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 1 });
    // It keeps its place in line, so that nothing delays it once the module is resumed.
    await operatorOf(world).resume(MODULE, { by: BY });
    await tickLater(world);
    expect(jobsOf(world)).toEqual(["large"]);
  });

  it("gets no slot that another run gives up between two ticks", async () => {
    const world = aWorld(1);
    await world.send({ messageId: "at work" });
    await world.accept(deliver(world, 1));
    await world.tick();
    await operatorOf(world).pause(MODULE, { by: BY });
    world.clock.advance(10_001);
    const job = world.open().find(({ status }) => status === "dispatched")?.jobName ?? "";
    world.cluster.succeed(job);
    await world.wake(job);
    expect(world.closed()).toMatchObject([{ messageId: "at work", status: "succeeded" }]);
    expect(world.run()).toMatchObject({ messageId: "m-1", status: "waiting" });
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("costs no request per message: one for all modules and all messages of 10 s", async () => {
    const modules = ["a", "b", "c"].map((name) => aModule({ name, retry: RETRY, when: { subject: name } }));
    const world = makeWorld(modules);
    const reads: string[] = [];
    const watched: Ports = watchPorts(world.deps, async (name, call) => {
      if (name === "table.limits") reads.push(name);
      return call();
    });
    const replica = world.makeReplica({ ...watched });
    for (let n = 0; n < 30; n += 1)
      await replica.accept(world.broker.deliver(SOURCE, { messageId: `m-${n}`, subject: modules[n % 3]?.name ?? "" }));
    expect(reads).toHaveLength(1);
    world.clock.advance(10_001);
    await replica.accept(world.broker.deliver(SOURCE, { messageId: "later", subject: "a" }));
    expect(reads).toHaveLength(2);
  });

  it("goes on by itself once the pause ends, and its row is deleted by a tick", async () => {
    const world = aWorld();
    await operatorOf(world).pause(MODULE, { by: BY, untilMs: world.clock.now() + 60_000 });
    await world.accept(deliver(world, 1));
    await tickLater(world);
    expect(jobsOf(world)).toEqual([]);
    world.clock.advance(50_000);
    await world.tick();
    expect(jobsOf(world)).toEqual(["m-1"]);
    expect(await world.table.limits()).toEqual([]);
  });

  it("stays paused if its file changes", async () => {
    const world = aWorld();
    await operatorOf(world).pause(MODULE, { by: BY });
    const changed = aModule({ retry: RETRY, maxActive: 70 });
    const replica = world.makeReplica({ modules: new Map([[MODULE, changed]]) });
    expect(await replica.accept(deliver(world, 1))).toBe("waiting");
    world.clock.advance(10_000);
    await replica.tick();
    expect(jobsOf(world)).toEqual([]);
  });
});

describe("a limited module", () => {
  it.each([
    { what: "fewer", maxActive: 10, slots: 3 },
    { what: "more", maxActive: 1, slots: 3 },
    { what: "some, though its file pauses it", maxActive: 0, slots: 3 },
  ])("has as many slots as a person said: $what", async ({ maxActive, slots }) => {
    const world = aWorld(maxActive);
    await operatorOf(world).limit(MODULE, slots, { by: BY });
    for (let n = 1; n <= 6; n += 1) await world.accept(deliver(world, n));
    await tickLater(world);
    expect(jobsOf(world)).toHaveLength(slots);
    await operatorOf(world).resume(MODULE, { by: BY });
    world.clock.advance(10_000);
    await world.tick();
    expect(jobsOf(world)).toHaveLength(Math.max(slots, Math.min(6, maxActive)));
  });

  it("starts no Job beyond its file's slots a second after its raised limit was lifted", async () => {
    const world = aWorld(1);
    await operatorOf(world).limit(MODULE, 3, { by: BY });
    for (let n = 1; n <= 6; n += 1) await world.accept(deliver(world, n));
    await world.tick();
    expect(jobsOf(world)).toEqual(["m-1", "m-2", "m-3"]);
    await operatorOf(world).resume(MODULE, { by: BY });
    world.clock.advance(1_001);
    const [first] = world.open();
    world.cluster.succeed(first?.jobName ?? "");
    await world.wake(first?.jobName ?? "");
    expect(jobsOf(world)).toEqual(["m-2", "m-3"]);
    // No more does a message that comes.
    const empty = aWorld(1);
    await operatorOf(empty).limit(MODULE, 3, { by: BY });
    await empty.accept(deliver(empty, 1));
    await operatorOf(empty).resume(MODULE, { by: BY });
    empty.clock.advance(1_001);
    expect(await empty.accept(deliver(empty, 2))).toBe("waiting");
  });

  it("ends no Job that is at work, and starts none until there are fewer than its slots", async () => {
    const world = aWorld(4);
    for (let n = 1; n <= 6; n += 1) await world.accept(deliver(world, n));
    await operatorOf(world).limit(MODULE, 2, { by: BY });
    await tickLater(world);
    expect(jobsOf(world)).toEqual(["m-1", "m-2", "m-3", "m-4"]);
    const finish = async (name: string) => {
      const run = world.open().find(({ messageId }) => messageId === name);
      world.cluster.succeed(run?.jobName ?? "");
      await tickLater(world);
    };
    await finish("m-1");
    await finish("m-2");
    expect(jobsOf(world)).toEqual(["m-3", "m-4"]);
    expect(world.lastTick()).toMatchObject({ waiting: { "max-active": 1 } });
    await finish("m-3");
    await tickLater(world);
    expect(jobsOf(world)).toEqual(["m-4", "m-5"]);
  });
});

describe("while the limits can't be read", () => {
  const failing = (world: World) => {
    let isAway = false;
    const instanceTable: Dependencies["instanceTable"] = {
      ...world.table,
      limits: async () => {
        if (isAway) throw new UnavailableError("the table is away");
        return world.table.limits();
      },
    };
    return { instanceTable, goAway: () => void (isAway = true), comeBack: () => void (isAway = false) };
  };

  it("those that were read last count", async () => {
    const world = aWorld();
    await operatorOf(world).pause(MODULE, { by: BY });
    const { instanceTable, goAway } = failing(world);
    const replica = world.makeReplica({ instanceTable });
    await replica.accept(deliver(world, 1));
    goAway();
    await tickLater(world, replica.tick);
    expect(await replica.accept(deliver(world, 2))).toBe("waiting");
    expect(jobsOf(world)).toEqual([]);
    expect(world.lastTick()).toMatchObject({ message: "reconciled", waiting: { paused: 1 } });
  });

  it("a process that never read them starts nothing, and accepts what is delivered", async () => {
    const world = aWorld();
    const { instanceTable, goAway, comeBack } = failing(world);
    goAway();
    const replica = world.makeReplica({ instanceTable });
    expect(await replica.accept(deliver(world, 1))).toBe("waiting");
    await tickLater(world, replica.tick);
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up", why: "the table is away" });
    comeBack();
    await tickLater(world, replica.tick);
    expect(jobsOf(world)).toEqual(["m-1"]);
  });
});

describe("what is said of it", () => {
  it("is one line for each change, with who, why and until when", async () => {
    const world = aWorld();
    const untilMs = world.clock.now() + 3_600_000;
    await operatorOf(world).pause(MODULE, { by: BY, untilMs });
    for (let tick = 0; tick < 3; tick += 1) await tickLater(world);
    expect(linesOf(world, "a module is paused by a person; its messages wait")).toEqual([
      {
        level: "warn",
        message: expect.any(String),
        module: MODULE,
        ...BY,
        since: new Date(untilMs - 3_600_000).toISOString(),
        until: new Date(untilMs).toISOString(),
      },
    ]);
    await operatorOf(world).limit(MODULE, 7, { by: { who: "bob@desk" } });
    for (let tick = 0; tick < 3; tick += 1) await tickLater(world);
    expect(linesOf(world, "a module is limited by a person")).toMatchObject([
      { module: MODULE, slots: 7, who: "bob@desk" },
    ]);
    await operatorOf(world).resume(MODULE, { by: BY });
    for (let tick = 0; tick < 3; tick += 1) await tickLater(world);
    expect(linesOf(world, "a module is no longer paused or limited")).toHaveLength(1);
    expect(linesOf(world, "a module is paused by a person; its messages wait")).toHaveLength(1);
  });

  it("stands in the readiness, which is not lost by it", async () => {
    const world = aWorld();
    const since = world.clock.now();
    await operatorOf(world).pause(MODULE, { by: BY, untilMs: since + 60_000 });
    expect(await makeReadiness(world.deps)()).toMatchObject({
      ready: true,
      limits: {
        [MODULE]: {
          slots: 0,
          ...BY,
          since: new Date(since).toISOString(),
          until: new Date(since + 60_000).toISOString(),
        },
      },
    });
    world.clock.advance(60_000);
    expect(await makeReadiness(world.deps)()).toMatchObject({ ready: true, limits: {} });
  });
});
