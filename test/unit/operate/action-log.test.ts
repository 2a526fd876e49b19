import { describe, expect, it } from "vitest";
import { makeOperator, type Operator } from "../../../shared/operate/operator.ts";
import { runId } from "../../../shared/run/run.ts";
import { heldOn } from "../../../shared/run/source-hold.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { makeWorld, RETRY, SOURCE, type World, withRun } from "../../support/world.ts";

const DRY = { ...BY_HAND, dryRun: true };
const { who, why } = BY_HAND.by;

interface Case {
  readonly what: string;
  readonly subject: (world: World) => string;
  readonly facts?: object;
  /** Where the action is noted: at the run's source, or at the instance. */
  readonly at: "source" | "instance";
  readonly prepare: () => Promise<World>;
  readonly act: (operator: Operator, world: World, how: typeof DRY | typeof BY_HAND) => Promise<unknown>;
}

const theRun = (world: World) => runId(world.run());

/** A world with a module whose gate is shut. */
async function withShutGate(): Promise<World> {
  const world = makeWorld([aModule({ retry: RETRY, when: { subject: "mine" } })]);
  for (let n = 0; n < 12; n += 1) await world.send({ subject: "other" });
  return world;
}

/** A world whose namespace was emptied while many Jobs were at work. */
async function withEmptyNamespace(): Promise<World> {
  const world = makeWorld();
  for (let n = 0; n < 12; n += 1) await world.send({ messageId: `m-${n}` });
  for (const name of world.cluster.names()) world.cluster.deleteJob(name);
  world.clock.advance(60_000);
  await world.tick();
  return world;
}

async function withHeldSource(): Promise<World> {
  const world = await withRun();
  await world.table.holdSource(SOURCE, heldOn(undefined, "entity missing", world.clock.now()), undefined);
  return world;
}

/** A world whose only message was deferred by another instance, and has no row. */
async function withRowless(): Promise<World> {
  const world = makeWorld();
  const { lockToken } = world.broker.deliver(SOURCE, { messageId: "m-1" });
  await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "owner-2" });
  return world;
}

const rowless = (world: World) => `thumbnails:1:${world.message(1).enqueuedAt}`;

const CASES: readonly Case[] = [
  {
    what: "cancel",
    subject: theRun,
    at: "source",
    prepare: withRun,
    act: (operator, world, how) => operator.cancel([theRun(world)], how),
  },
  {
    what: "force",
    subject: theRun,
    facts: { as: "retried" },
    at: "source",
    prepare: withRun,
    act: (operator, world, how) => operator.force([theRun(world)], "retried", how),
  },
  {
    what: "adopt",
    subject: rowless,
    at: "source",
    prepare: withRowless,
    act: (operator, world, how) => operator.adopt([rowless(world)], how),
  },
  {
    what: "open gate",
    subject: () => "source:thumbnails",
    at: "instance",
    prepare: withShutGate,
    act: (operator, _, how) => operator.openGates(["source:thumbnails"], how),
  },
  {
    what: "accept loss",
    subject: () => "thumbnails",
    at: "instance",
    prepare: withHeldSource,
    act: (operator, _, how) => operator.acceptLoss("thumbnails", how),
  },
  {
    what: "accept cluster",
    subject: () => "jobs",
    facts: { jobs: 12 },
    at: "instance",
    prepare: withEmptyNamespace,
    act: (operator, _, how) => operator.acceptCluster(how),
  },
  {
    what: "pause",
    subject: () => "thumbnail",
    at: "instance",
    prepare: async () => makeWorld(),
    act: (operator, _, how) => operator.pause("thumbnail", how),
  },
  {
    what: "limit",
    subject: () => "thumbnail",
    facts: { slots: 7 },
    at: "instance",
    prepare: async () => makeWorld(),
    act: (operator, _, how) => operator.limit("thumbnail", 7, how),
  },
  {
    what: "resume",
    subject: () => "thumbnail",
    facts: { slots: 0 },
    at: "instance",
    async prepare() {
      const world = makeWorld();
      await makeOperator(world.deps, world.log).pause("thumbnail", { by: { who: "bob@desk" } });
      world.clock.advance(1);
      return world;
    },
    act: (operator, _, how) => operator.resume("thumbnail", how),
  },
];

/** Everything that an action may change. */
const everything = async ({ table, broker, cluster }: World) =>
  JSON.stringify([
    table.rows(),
    await table.limits(),
    await table.gateStates(),
    await table.heldSources(),
    await table.cluster(),
    await table.actions(undefined, 100),
    await table.actions(SOURCE, 100),
    broker.messages(SOURCE),
    cluster.names(),
  ]);

describe.each(CASES)("$what", ({ what, subject, facts = {}, at, prepare, act }) => {
  it("says in the action log who did it, to what and why, and in the log too", async () => {
    const world = await prepare();
    const operator = makeOperator(world.deps, world.log);
    const named = subject(world);
    expect(await act(operator, world, BY_HAND)).toMatchObject([[expect.any(String), { kind: "done" }]]);
    const { actions } = await operator.actions({ limit: 100 });
    const noted = actions.filter((action) => action.what === what && action.subject === named);
    const source = at === "source" ? { source: "thumbnails" } : {};
    const now = world.clock.now();
    expect(noted).toEqual([{ id: expect.any(String), ...source, at: now, who, why, what, subject: named, facts }]);
    expect(world.lines).toContainEqual(expect.objectContaining({ level: "warn", who, why }));
  });

  it("leaves no row if there is nothing left to do", async () => {
    const world = await prepare();
    const operator = makeOperator(world.deps, world.log);
    await act(operator, world, BY_HAND);
    const before = await operator.actions({ limit: 100 });
    expect(await act(operator, world, BY_HAND)).toMatchObject([[expect.any(String), { kind: "already" }]]);
    expect(await operator.actions({ limit: 100 })).toEqual(before);
  });

  it("says what it would do, and writes nothing, if it runs dry", async () => {
    const world = await prepare();
    const operator = makeOperator(world.deps, world.log);
    const before = await everything(world);
    const lines = world.lines.length;
    const answer = await act(operator, world, DRY);
    expect(await everything(world)).toBe(before);
    expect(world.lines).toHaveLength(lines);
    const done = JSON.stringify(await act(operator, world, BY_HAND)).replace('"done"', '"would"');
    expect(JSON.stringify(answer)).toBe(done);
  });
});

describe("the action log", () => {
  it("is read over the instance and all sources, the newest first, page by page", async () => {
    const sources = [SOURCE, { queue: "another" }, undefined];
    const world = makeWorld();
    await world.table.registerSource({ queue: "another" });
    for (let n = 0; n < 9; n += 1)
      await world.table.recordAction(
        { at: n, who: "a", what: "cancel", subject: String(n), facts: {} },
        sources[n % 3],
      );
    const operator = makeOperator(world.deps, world.log);
    const subjects: string[][] = [];
    let after: string | undefined;
    do {
      const page = await operator.actions({ limit: 4, ...(after === undefined ? {} : { after }) });
      subjects.push(page.actions.map(({ subject }) => subject));
      after = page.next;
    } while (after !== undefined);
    expect(subjects).toEqual([["8", "7", "6", "5"], ["4", "3", "2", "1"], ["0"]]);
  });

  it("is purged with the history, by its age", async () => {
    const world = await withRun();
    const operator = makeOperator(world.deps, world.log);
    await operator.cancel([theRun(world)], BY_HAND);
    await operator.pause("thumbnail", BY_HAND);
    world.clock.advance(world.deps.historyRetentionMs - 1_000);
    await world.tick();
    expect((await operator.actions({ limit: 10 })).actions).toHaveLength(2);
    await operator.resume("thumbnail", BY_HAND);
    world.clock.advance(3_600_000);
    await world.tick();
    expect((await operator.actions({ limit: 10 })).actions).toMatchObject([{ what: "resume" }]);
  });

  it("says that a message was to be adopted, also if another receiver held it", async () => {
    const world = await withRowless();
    world.broker.lockDeferred(SOURCE, 1);
    const operator = makeOperator(world.deps, world.log);
    expect(await operator.adopt([rowless(world)], BY_HAND)).toMatchObject([[rowless(world), { because: "busy" }]]);
    expect((await operator.actions({ limit: 10 })).actions).toMatchObject([{ what: "adopt", subject: rowless(world) }]);
  });

  it("notes for each Job that is taken for deleted whose it was", async () => {
    const world = await withEmptyNamespace();
    const operator = makeOperator(world.deps, world.log);
    await operator.acceptCluster(BY_HAND);
    const { actions } = await operator.actions({ limit: 100 });
    const ofRuns = actions.filter(({ source }) => source === "thumbnails");
    expect(ofRuns).toHaveLength(12);
    expect(ofRuns[0]).toMatchObject({ what: "accept cluster", facts: { jobName: expect.stringContaining("-") } });
  });

  it("belongs to the table that the run is in", async () => {
    const world = await withRun();
    const other = world.makeReplica({ tables: makeFakeRunTable({ clock: world.clock }) });
    await makeOperator(world.deps, world.log).cancel([theRun(world)], BY_HAND);
    expect(await makeOperator(other.deps, world.log).actions({ limit: 1 })).toEqual({ actions: [] });
  });
});

describe("a limit", () => {
  const set = (world: World, slots: number, over = {}) =>
    makeOperator(world.deps, world.log).limit("thumbnail", slots, { ...BY_HAND, ...over });

  it.each([
    { what: "a fraction", slots: 1.5 },
    { what: "a negative number", slots: -1 },
    { what: "more than any module may have", slots: 100_001 },
    { what: "no number", slots: Number.NaN },
  ])("is refused for $what", async ({ slots }) => {
    const world = makeWorld();
    expect(await set(world, slots)).toEqual([
      ["thumbnail", { kind: "refused", because: "impossible slots", most: 100_000 }],
    ]);
  });

  it("is refused if its end has passed, or no module has its name", async () => {
    const world = makeWorld();
    expect(await set(world, 1, { untilMs: world.clock.now() })).toMatchObject([
      [expect.any(String), { because: "end has passed" }],
    ]);
    const operator = makeOperator(world.deps, world.log);
    expect(await operator.pause("typo", BY_HAND)).toEqual([["typo", { kind: "refused", because: "unknown module" }]]);
    expect(await operator.resume("typo", BY_HAND)).toEqual([["typo", { kind: "refused", because: "unknown module" }]]);
    expect(await world.table.limits()).toEqual([]);
  });

  it("takes the place of another, and repeating it is harmless and says whose it is", async () => {
    const world = makeWorld();
    const untilMs = world.clock.now() + 60_000;
    await set(world, 0);
    expect(await set(world, 3, { untilMs })).toMatchObject([["thumbnail", { kind: "done", slots: 3, until: untilMs }]]);
    const again = { untilMs, by: { who: "bob@desk" } };
    expect(await set(world, 3, again)).toMatchObject([["thumbnail", { kind: "already", was: "limited", who, why }]]);
    expect(await set(world, 3)).toMatchObject([["thumbnail", { kind: "done", did: "limited" }]]);
    expect(await world.table.limits()).toMatchObject([{ limit: { slots: 3, who, why } }]);
  });

  it("of a module whose file is gone can be lifted", async () => {
    const world = makeWorld();
    await set(world, 0);
    const without = world.makeReplica({ modules: new Map() });
    expect(await makeOperator(without.deps, world.log).resume("thumbnail", BY_HAND)).toMatchObject([
      ["thumbnail", { kind: "done", did: "resumed" }],
    ]);
  });

  it("that has ended counts as none: it is deleted, and nobody is said to have lifted it", async () => {
    const world = makeWorld();
    await set(world, 0, { untilMs: world.clock.now() + 1_000 });
    world.clock.advance(1_000);
    const operator = makeOperator(world.deps, world.log);
    expect(await operator.resume("thumbnail", BY_HAND)).toEqual([
      ["thumbnail", { kind: "already", was: "not limited" }],
    ]);
    expect(await world.table.limits()).toEqual([]);
    expect((await operator.actions({ limit: 10 })).actions).toMatchObject([{ what: "pause" }]);
  });

  it("is refused if another person was faster", async () => {
    const world = makeWorld();
    const slow = {
      ...world.table,
      async limits() {
        const read = await world.table.limits();
        await set(world, 5);
        return read;
      },
    };
    const operator = makeOperator({ ...world.deps, instanceTable: slow }, world.log);
    expect(await operator.pause("thumbnail", BY_HAND)).toEqual([
      ["thumbnail", { kind: "refused", because: "limit moved on" }],
    ]);
    expect(await world.table.limits()).toMatchObject([{ limit: { slots: 5 } }]);
  });
});
