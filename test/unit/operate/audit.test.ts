import { describe, expect, it } from "vitest";
import { tooYoungText } from "../../../cli/audit/words.ts";
import { DeniedError, UnavailableError } from "../../../shared/errors.ts";
import { makeLog } from "../../../shared/log.ts";
import { audit } from "../../../shared/operate/audit/audit.ts";
import { type AuditFinding, type FindingKind, isSafe, MENDED, safeOf } from "../../../shared/operate/audit/finding.ts";
import { mend } from "../../../shared/operate/audit/mend.ts";
import { cancelRun } from "../../../shared/operate/cancel-run.ts";
import type { Entity } from "../../../shared/ports/message-broker.ts";
import { closed } from "../../../shared/run/change-run.ts";
import type { Verdict } from "../../../shared/run/run.ts";
import { type Source, sourceKey } from "../../../shared/run/source.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { aRun } from "../../support/a-run.ts";
import { LOCK_MS, makeWorld, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

/** Longer than anything may be in flight. */
const LONG_MS = 3 * LOCK_MS;
const QUIET = makeLog({ info: () => {}, warn: () => {}, error: () => {} });

async function found(world: Pick<World, "deps">): Promise<readonly AuditFinding[]> {
  return (await audit(world.deps)).findings;
}

/** Mends what the audit mends by itself, and resolves to what became of each. */
async function mended(world: Pick<World, "deps">, how = BY_HAND): Promise<string[]> {
  const kinds: string[] = [];
  for (const finding of safeOf(await found(world))) kinds.push((await mend(world.deps, finding, how, QUIET)).kind);
  return kinds;
}

/** A world in which a tick has recorded the cluster, with a Job at work. */
async function settled(): Promise<World> {
  const world = await withRun();
  await world.tick();
  return world;
}

/** Closes the only run behind the back of bus and cluster. */
async function closeAs(world: World, verdict: Verdict): Promise<void> {
  const row = await world.table.find(world.run());
  if (row.kind === "open") await world.table.close(row.stored, closed(row.stored.run, verdict, world.clock.now()));
}

/** Lets so many Jobs fail for good, so that their messages are dead letters. */
async function withLetters(count: number): Promise<World> {
  const world = makeWorld();
  for (let sent = 0; sent < count; sent += 1) {
    await world.send();
    const name = world.open().at(-1)?.jobName ?? "";
    world.cluster.run(name);
    world.cluster.fail(name, 64);
  }
  await ticks(world, () => world.open().length === 0);
  world.clock.advance(LONG_MS);
  return world;
}

/** Takes letters off the bus, as another tool may do. */
async function takeLetters(world: World, count: number): Promise<void> {
  const queue = { deadLettersOf: SOURCE };
  for (const { lockToken } of await world.broker.receiveLetters(queue, count))
    await world.broker.completeLocked(queue, lockToken);
}

/** Makes each kind. What was found is mended by the audit, or by `byHand`. */
const MADE: Readonly<
  Partial<
    Record<FindingKind, { readonly make: () => Promise<World>; readonly byHand?: (world: World) => Promise<unknown> }>
  >
> = {
  "missing Job": {
    async make() {
      const world = await settled();
      world.cluster.deleteJob(world.jobName());
      world.clock.advance(LONG_MS);
      return world;
    },
  },
  "unrecorded Job": {
    async make() {
      const world = makeWorld();
      world.cluster.loseNextReply("create");
      await world.send();
      world.clock.advance(LONG_MS);
      return world;
    },
  },
  "unretired Job": {
    async make() {
      const world = await settled();
      await world.broker.completeDeferred(world.run());
      await closeAs(world, { outcome: "succeeded" });
      world.clock.advance(LONG_MS);
      return world;
    },
  },
  "stray Job": {
    async make() {
      const world = await settled();
      await world.broker.completeDeferred(world.run());
      world.table.forget(world.run());
      world.clock.advance(LONG_MS);
      return world;
    },
    byHand: async (world) => world.cluster.deleteJob(world.cluster.names()[0] ?? ""),
  },
  "message without a row": {
    async make() {
      const world = await settled();
      world.table.forget(world.run());
      world.clock.advance(LONG_MS);
      return world;
    },
  },
  "message of a closed run": {
    async make() {
      const world = await settled();
      world.cluster.deleteJob(world.jobName());
      await closeAs(world, { outcome: "succeeded" });
      world.clock.advance(LONG_MS);
      return world;
    },
  },
  "undeferred message": {
    async make() {
      const world = makeWorld();
      const { sequenceNumber, enqueuedAt } = world.broker.send(SOURCE);
      await world.table.insert(aRun({ status: "waiting", sequenceNumber, enqueuedAt, notBefore: enqueuedAt }));
      world.clock.advance(LONG_MS);
      return world;
    },
    byHand: async (world) => world.accept(world.redeliver()),
  },
  "missing message": {
    async make() {
      const world = await settled();
      world.hide(1);
      world.clock.advance(LONG_MS);
      return world;
    },
    async byHand(world) {
      await cancelRun(world.deps, world.run(), BY_HAND, QUIET);
      await ticks(world, () => world.open().length === 0);
    },
  },
  "messages missing": {
    async make() {
      const world = makeWorld();
      for (let sent = 0; sent < 12; sent += 1) await world.send();
      for (let number = 1; number <= 10; number += 1) world.hide(number);
      world.clock.advance(LONG_MS);
      return world;
    },
    async byHand(world) {
      for (let number = 1; number <= 10; number += 1) world.show(number);
    },
  },
  "lock without a run": {
    async make() {
      const world = await settled();
      world.table.forget(world.run(), "run");
      return world;
    },
  },
  "run without a lock": {
    async make() {
      const world = await settled();
      world.table.forget(world.run(), "lock");
      return world;
    },
  },
  "search rows": {
    async make() {
      const world = await settled();
      world.table.leaveSearchRow({ source: SOURCE, sequenceNumber: 7, enqueuedAt: 0 });
      world.table.leaveSearchRow(world.run());
      return world;
    },
  },
  "letters gone": {
    async make() {
      const world = await withLetters(12);
      await takeLetters(world, 3);
      return world;
    },
  },
};

describe("the audit of bus, rows and cluster", () => {
  it("finds nothing if all is well, and changes nothing", async () => {
    const world = await withRun();
    const before = JSON.stringify([world.open(), world.broker.messages(SOURCE), world.cluster.names()]);
    expect(await audit(world.deps)).toEqual({
      findings: [],
      looked: { "open runs": 1, Jobs: 1, messages: 1, "dead letters": 0, rows: 1 },
      tooYoung: [],
      unfinished: [],
    });
    expect(JSON.stringify([world.open(), world.broker.messages(SOURCE), world.cluster.names()])).toBe(before);
  });

  it("names a Job that no run has and that is too young to be judged, and says when to look again", async () => {
    const world = await settled();
    const [jobName] = world.cluster.names();
    const judgedAt = world.clock.now() + 2 * LOCK_MS;
    await world.broker.completeDeferred(world.run());
    world.table.forget(world.run());
    world.clock.advance(LOCK_MS);
    const report = await audit(world.deps);
    expect(report).toMatchObject({ findings: [], tooYoung: [{ jobName, judgedAt }] });
    expect(tooYoungText(report)[0]).toMatch(/ belongs to no run so far, .*Audit again after 20/);
    world.clock.advance(LOCK_MS);
    expect(await audit(world.deps)).toMatchObject({ findings: [{ kind: "stray Job", jobName }], tooYoung: [] });
  });

  const kinds = Object.entries(MADE);
  it.each(kinds)("names a %s", async (kind, { make }) => {
    expect((await found(await make())).map((finding) => finding.kind)).toEqual([kind]);
  });

  const safe = kinds.filter(([, { byHand }]) => byHand === undefined);
  it.each(safe)("mends a %s, once, and finds nothing then", async (_, { make }) => {
    const world = await make();
    const all = safeOf(await found(world));
    expect(await mended(world)).toEqual(["done"]);
    expect(await found(world)).toEqual([]);
    for (const finding of all) expect((await mend(world.deps, finding, BY_HAND, QUIET)).kind).toMatch(/already|done/);
    expect(await found(world)).toEqual([]);
  });

  it.each(safe)("mends no %s in a dry run, and says that it would", async (_, { make }) => {
    const world = await make();
    expect(await mended(world, { ...BY_HAND, dryRun: true })).toEqual(["would"]);
    expect(await found(world)).toHaveLength(1);
  });

  it.each(safe)("notes in the action log who mended a %s", async (kind, { make }) => {
    const world = await make();
    await mended(world);
    const actions = await world.table.actions(SOURCE, 10);
    expect(actions.map(({ action }) => action)).toMatchObject([{ what: "mend", who: BY_HAND.by.who }]);
    expect(kind).toBeTypeOf("string");
  });

  const byHand = kinds.filter(([, made]) => made.byHand !== undefined);
  it.each(byHand)("leaves a %s alone, until it is mended otherwise", async (kind, made) => {
    const world = await made.make();
    expect(await mended(world)).toEqual([]);
    expect((await found(world)).map((finding) => finding.kind)).toEqual([kind]);
    await made.byHand?.(world);
    expect(await found(world)).toEqual([]);
  });

  it("has a case here or in another test for every kind", () => {
    const elsewhere = [
      "another cluster",
      "mass absence",
      "source held",
      "shut gate",
      "file missing",
      "overdue Job",
      "orphan message",
    ];
    expect([...kinds.map(([kind]) => kind), ...elsewhere].toSorted()).toEqual(Object.keys(MENDED).toSorted());
  });

  it.each(["missing Job", "unrecorded Job", "missing message"] as const)(
    "leaves a %s out while it may be in flight",
    async (kind) => {
      const world = await MADE[kind]?.make();
      world?.clock.advance(-LONG_MS);
      expect(world && (await found(world))).toEqual([]);
    },
  );
});

describe("a message without a row", () => {
  it("is adopted by hand if it is another instance's, however many pages there are", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 600; sent += 1) {
      const { lockToken } = world.broker.deliver(SOURCE);
      await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "owner-2" });
    }
    const all = await found(world);
    expect(all).toHaveLength(600);
    expect(all.at(-1)).toMatchObject({ kind: "orphan message", owner: "owner-2", key: { sequenceNumber: 600 } });
    expect(all.some(isSafe)).toBe(false);
  });

  it("goes on with its Job once it has a row again", async () => {
    const world = (await MADE["message without a row"]?.make()) ?? makeWorld();
    await mended(world);
    await world.tick();
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.creates).toHaveLength(1);
  });
});

describe("a lost run whose message turned up", () => {
  it("is opened again", async () => {
    const world = await settled();
    await closeAs(world, { outcome: "lost" });
    world.clock.advance(LONG_MS);
    expect(await found(world)).toMatchObject([{ kind: "message of a closed run", status: "lost" }]);
    expect(await mended(world)).toEqual(["done"]);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(await found(world)).toEqual([]);
  });
});

describe("what could not be mended", () => {
  it("is told, if another receiver holds the message of a closed run", async () => {
    const world = await MADE["message of a closed run"]?.make();
    if (!world) throw new Error("no world");
    world.broker.lockDeferred(SOURCE, 1);
    expect(await mended(world)).toEqual(["refused"]);
  });

  it("is told, if a policy denies to retire a Job", async () => {
    const world = await MADE["unretired Job"]?.make();
    if (!world) throw new Error("no world");
    world.cluster.succeed(world.cluster.names()[0] ?? "");
    world.cluster.failNext("retire", new DeniedError("the policy says no"));
    await expect(mended(world)).rejects.toThrow("a policy of the cluster denies to retire Job");
  });
});

describe("Jobs", () => {
  it("finds an overdue one", async () => {
    const world = await withRun();
    world.cluster.linger(world.jobName());
    world.clock.advance(48 * 3_600_000);
    expect(await found(world)).toMatchObject([{ kind: "overdue Job", jobName: world.jobName() }]);
  });

  it("does not call a Job missing if the cluster may be another than the Dispatcher's", async () => {
    const world = await MADE["missing Job"]?.make();
    if (!world) throw new Error("no world");
    world.cluster.uid = undefined;
    expect(await found(world)).toEqual([]);
  });

  it("leaves a Job to a replica that was faster", async () => {
    const world = await MADE["missing Job"]?.make();
    if (!world) throw new Error("no world");
    const all = safeOf(await found(world));
    await world.tick();
    for (const finding of all)
      expect(await mend(world.deps, finding, BY_HAND, QUIET)).toEqual({ kind: "already", was: "mended" });
  });
});

describe("dead letters", () => {
  it("keeps the rows of ten and more letters that are all gone, because it may be another namespace", async () => {
    const world = await withLetters(12);
    await takeLetters(world, 12);
    const [finding] = await found(world);
    expect(finding).toMatchObject({ kind: "letters gone", module: "thumbnail", noted: 12 });
    expect(finding && isSafe(finding)).toBe(false);
    expect(await mended(world)).toEqual([]);
  });

  it("leaves out a letter whose run closed just now", async () => {
    const world = await withLetters(1);
    world.clock.advance(-LONG_MS);
    await takeLetters(world, 1);
    expect(await found(world)).toEqual([]);
  });
});

describe("a module file that was moved away", () => {
  it("is named as what to put back, while runs wait for it", async () => {
    const module = aModule({ maxActive: 1 });
    const world = makeWorld([module]);
    for (let sent = 0; sent < 3; sent += 1) await world.send();
    const without = world.makeReplica({ modules: new Map() });
    world.clock.advance(LONG_MS);
    expect(await found(without)).toMatchObject([
      { kind: "file missing", module: "thumbnail", source: "thumbnails", waiting: 2 },
    ]);
    expect(await found(world)).toEqual([]);
  });

  it("is not looked for while its file is there and wrong, because the running Dispatcher goes on with an earlier form", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    for (let sent = 0; sent < 3; sent += 1) await world.send();
    const wrongFiles = [{ module: "thumbnail", mistakes: ["thumbnail.yaml:6:12: maxActive"] }];
    const without = world.makeReplica({ modules: new Map(), wrongFiles });
    world.clock.advance(LONG_MS);
    expect(await found(without)).toEqual([]);
  });

  it("is named as what to put back, if its source is held, and no loss is to be accepted", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    for (let sent = 0; sent < 2; sent += 1) await world.send();
    world.broker.remove(SOURCE);
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await world.tick();
    const without = world.makeReplica({ modules: new Map() });
    expect(await found(without)).toMatchObject([{ kind: "source held", removed: ["thumbnail"] }]);
    expect(await found(world)).toMatchObject([{ kind: "source held", removed: [] }]);
  });
});

describe("an audit that is cut off", () => {
  it("says at the open runs how far it came, and compares nothing", async () => {
    const world = await MADE["missing Job"]?.make();
    world?.table.failNext("inPlace");
    expect(world && (await audit(world.deps))).toMatchObject({
      findings: [],
      looked: { "open runs": 1, Jobs: 0 },
      unfinished: [{ phase: "open runs", detail: expect.stringContaining("inPlace failed") }],
    });
  });

  it("goes on without the cluster", async () => {
    const world = await MADE["missing message"]?.make();
    world?.cluster.failNext("listJobs");
    expect(world && (await audit(world.deps))).toMatchObject({
      findings: [{ kind: "missing message" }],
      unfinished: [{ phase: "Jobs" }],
    });
  });

  it("cuts a phase off once, and keeps what it found in other sources", async () => {
    const world = await twoSources();
    const { broker } = world;
    const slow = new Promise((resolve) => setTimeout(resolve, 20));
    const failing = {
      ...broker,
      async browse(...of: Parameters<typeof broker.browse>) {
        if (isOf(of[0], SOURCE)) throw new UnavailableError("the bus is away");
        await slow;
        return broker.browse(...of);
      },
    };
    expect(await audit({ ...world.deps, broker: failing })).toMatchObject({
      findings: [{ kind: "orphan message", key: { source: OTHER } }],
      unfinished: [{ phase: "messages", detail: "the bus is away" }],
    });
  });

  it("rejects with a fault of ours only when nothing goes on behind it", async () => {
    const world = await withRun();
    let isOver = false;
    world.broker.failNext("browse", new TypeError("our fault"));
    world.table.beforeNext("identities", async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      isOver = true;
    });
    await expect(audit(world.deps)).rejects.toThrow("our fault");
    expect(isOver).toBe(true);
  });

  it("tells how far it is", async () => {
    const world = await withRun();
    const told: string[] = [];
    await audit(world.deps, (looked) => told.push(JSON.stringify(looked)));
    expect(told.length).toBeGreaterThanOrEqual(5);
    expect(told.map((one) => JSON.parse(one) as unknown).at(-1)).toEqual({
      "open runs": 1,
      Jobs: 1,
      messages: 1,
      "dead letters": 0,
      rows: 1,
    });
  });
});

const OTHER = { queue: "videos" };
const isOf = (entity: Entity, source: Source) =>
  !("deadLettersOf" in entity) && sourceKey(entity) === sourceKey(source);

/** Two sources, with a deferred message of another instance in each. */
async function twoSources(): Promise<World> {
  const world = makeWorld([aModule(), aModule({ name: "videos", source: OTHER })]);
  for (const source of [SOURCE, OTHER]) {
    const { lockToken } = world.broker.deliver(source);
    await world.broker.defer(source, lockToken, { "dispatcher-owner": "owner-2" });
  }
  return world;
}

describe("an audit that walks side by side", () => {
  it("looks at the rows while the bus is slow to answer", async () => {
    const world = await withRun();
    const rowsBegan = new Promise<void>((resolve) => world.table.beforeNext("identities", resolve));
    world.broker.beforeNext("browse", () => rowsBegan);
    expect(await audit(world.deps)).toMatchObject({ findings: [], looked: { messages: 1, rows: 1 }, unfinished: [] });
  });

  it("looks at the second source while the first one is slow, and names what it found in their order", async () => {
    const world = await twoSources();
    const { broker } = world;
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const slow = {
      ...broker,
      async browse(...of: Parameters<typeof broker.browse>) {
        if (isOf(of[0], OTHER)) begin();
        else if (isOf(of[0], SOURCE)) await begun;
        return broker.browse(...of);
      },
    };
    const report = await audit({ ...world.deps, broker: slow });
    expect(report.findings).toMatchObject([{ key: { source: SOURCE } }, { key: { source: OTHER } }]);
  });

  it("peeks at the letters of redriven runs in batches, and names the one whose letter is gone", async () => {
    const world = await withLetters(12);
    for (const letter of await world.table.deadLetters(SOURCE, {}, 12)) {
      const key = { source: SOURCE, sequenceNumber: letter.sequenceNumber, enqueuedAt: letter.enqueuedAt, redrive: 1 };
      await world.table.insert(aRun({ ...key, status: "waiting", notBefore: world.clock.now() }));
    }
    world.clock.advance(LONG_MS);
    const calls = { browse: 0, peek: 0 };
    const { broker } = world;
    const counting = {
      ...broker,
      browse(...of: Parameters<typeof broker.browse>) {
        calls.browse += 1;
        return broker.browse(...of);
      },
      peek(...of: Parameters<typeof broker.peek>) {
        calls.peek += 1;
        return broker.peek(...of);
      },
    };
    const deps = { ...world.deps, broker: counting };
    const missing = (findings: readonly AuditFinding[]) => findings.filter(({ kind }) => kind === "missing message");
    expect(missing((await audit(deps)).findings)).toEqual([]);
    // The messages, the letters, and those of the redriven runs once more.
    expect(calls).toEqual({ browse: 3, peek: 0 });
    const [letter] = await broker.receiveLetters({ deadLettersOf: SOURCE }, 1);
    await broker.completeLocked({ deadLettersOf: SOURCE }, letter?.lockToken ?? "");
    expect(missing((await audit(deps)).findings)).toMatchObject([{ kind: "missing message", status: "waiting" }]);
    expect(calls.peek).toBe(1);
  });
});
