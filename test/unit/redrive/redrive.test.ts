import { describe, expect, it } from "vitest";
import { ConflictError, LockLostError, UnavailableError } from "../../../shared/errors.ts";
import { audit } from "../../../shared/operate/audit/audit.ts";
import { abortRedrive, orderRedrive, planRedrives, type Redriving } from "../../../shared/operate/redrive-letters.ts";
import { deadLetter } from "../../../shared/operate/views/dead-letters.ts";
import { status } from "../../../shared/operate/views/status.ts";
import { makeCarryOutRedrives } from "../../../shared/redrive/carry-out.ts";
import type { RedriveWanted } from "../../../shared/run/redrive.ts";
import { runId } from "../../../shared/run/run.ts";
import { makeEvents } from "../../../shared/telemetry/events.ts";
import { aModule } from "../../support/a-module.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

const LETTERS = { deadLettersOf: SOURCE };
const HOW: Redriving = { by: { who: "ann", why: "a font was missing" }, perSecond: 1_000 };

/** A world whose messages were dead-lettered with these exit codes, one after the other. */
async function withDead(...exitCodes: readonly number[]): Promise<World> {
  const world = makeWorld([aModule({ retry: { ...RETRY, permanentExitCodes: [1, 2, 64] } })]);
  for (const [index, exitCode] of exitCodes.entries()) {
    await world.send({ messageId: `m-${index + 1}`, properties: { tenant: "acme", "dispatcher-tier": "gold" } });
    world.cluster.fail(world.jobName(), exitCode);
    await ticks(world, () => world.open().length === 0);
  }
  return world;
}

const order = (world: World, wanted: RedriveWanted = {}, how: Partial<Redriving> = {}) =>
  orderRedrive(world.deps, SOURCE, wanted, { ...HOW, ...how }, world.log);

/** A turn of one replica, which remembers what it holds. */
function carrier(world: World, over: Partial<World["deps"]> = {}) {
  const carryOut = makeCarryOutRedrives({ ...world.deps, ...over });
  return (signal = new AbortController().signal) => carryOut(makeEvents(world.log), signal);
}

const redriveOf = async (world: World) => (await world.table.redrives())[0]?.redrive;

async function letters(world: World) {
  const found = await world.broker.browse(LETTERS, 1, 1_000);
  return found.map(({ sequenceNumber, state, properties }) => ({ sequenceNumber, state, properties }));
}

const noted = async (world: World) =>
  (await world.table.deadLetters(SOURCE, {}, 1_000)).map(({ sequenceNumber, redrive = 0 }) => [
    sequenceNumber,
    redrive,
  ]);

/** Redrives what is wanted, and lets the Jobs run. */
async function redrive(world: World, wanted: RedriveWanted = {}, how: Partial<Redriving> = {}): Promise<void> {
  world.clock.advance(1_000);
  expect(await order(world, wanted, how)).toMatchObject({ kind: "done" });
  await carrier(world)();
  await world.tick();
}

describe("a redriven dead letter", () => {
  it("runs once more under the identity of its message, and is taken off the bus if that succeeds", async () => {
    const world = await withDead(1);
    const [first] = world.closed();
    await redrive(world);
    const run = world.run();
    expect(run).toMatchObject({ status: "dispatched", attempt: 1, redrive: 1, messageId: "m-1" });
    const job = world.cluster.job(world.jobName());
    expect(run.jobName).not.toBe(first?.jobName);
    const pod = job.spec?.template.metadata?.annotations ?? {};
    expect(pod["ion/run-id"]).toBe(`thumbnails:1:${first?.enqueuedAt}`);
    const { applicationProperties } = JSON.parse(pod["ion/properties"] ?? "");
    expect(applicationProperties).toEqual({ tenant: "acme", "dispatcher-tier": "gold" });
    expect(pod["ion/properties"]).not.toMatch(/DeadLetter/);
    // A release that knows no redrives must not find the first run by it.
    expect(job.metadata?.annotations).not.toHaveProperty(["ion/source"]);
    expect(await letters(world)).toMatchObject([{ state: "deferred" }]);
    expect(await noted(world)).toEqual([]);

    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(await letters(world)).toEqual([]);
    expect(world.closed()).toMatchObject([
      { status: "failed" },
      { status: "succeeded", redrive: 1, sequenceNumber: 1, enqueuedAt: first?.enqueuedAt },
    ]);
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1, left: {} });
  });

  it("stays in the dead letter queue with new stamps if it fails again, and can be redriven again by its number", async () => {
    const world = await withDead(1);
    await redrive(world);
    world.cluster.fail(world.jobName(), 2);
    await ticks(world, () => world.open().length === 0);
    expect(await letters(world)).toMatchObject([
      { state: "deferred", properties: { "dispatcher-redrive": 1, "dispatcher-exit-code": 2 } },
    ]);
    expect(await noted(world)).toEqual([[1, 1]]);
    // The redrive was ordered before it failed again.
    await carrier(world)();
    await world.tick();
    expect(world.open()).toEqual([]);

    await redrive(world, { reason: "JobFailed" });
    expect(world.run()).toMatchObject({ redrive: 2, attempt: 1 });
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(await letters(world)).toEqual([]);
  });

  it("is as old as its redrive, in the line of the tick and in the status, however old its message is", async () => {
    const world = await withDead(1);
    world.clock.advance(3 * 86_400_000);
    await redrive(world);
    const at = world.run().acceptedAt;
    expect(at).toBeGreaterThan(world.run().enqueuedAt + 3 * 86_400_000);
    world.clock.advance(7_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ open: 1, oldestAgeMs: 7_000 });
    expect((await status(world.deps)).modules).toMatchObject([
      { module: "thumbnail", atWork: { byStatus: { dispatched: 1 } }, oldestAt: at },
    ]);
  });

  it("is tried again as its module says, without a delivery", async () => {
    const world = await withDead(1);
    await redrive(world);
    world.cluster.fail(world.jobName(), 7);
    await ticks(world, () => world.run().attempt === 2 && world.run().status === "dispatched");
    expect(await letters(world)).toMatchObject([{ state: "deferred", properties: { "dispatcher-attempt": 1 } }]);
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(await letters(world)).toEqual([]);
  });

  it("is stamped once, although the reply to the first stamp is lost", async () => {
    const world = await withDead(1);
    await redrive(world);
    world.cluster.fail(world.jobName(), 2);
    world.broker.loseNextReply("requeueDeferred", new UnavailableError("no reply"));
    await ticks(world, () => world.open().length === 0);
    expect(await noted(world)).toEqual([[1, 1]]);
  });

  it("is withdrawn if the process dies before it is set aside, and can be redriven again", async () => {
    const world = await withDead(1);
    world.clock.advance(1_000);
    await order(world);
    world.broker.failNext("defer", new UnavailableError("the process died"));
    await carrier(world)();
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", redrive: 1 });
    expect(await noted(world)).toEqual([]);
    await abortRedrive(world.deps, SOURCE, HOW, world.log);
    await ticks(world, () => world.open().length === 0, LOCK_MS / 4);
    expect(world.closed()[1]).toMatchObject({ status: "withdrawn", redrive: 1 });
    // The alert on dead letters reads this count, and nothing was dead-lettered.
    expect(world.lastTick()).toMatchObject({ deadLettered: 0, settled: 0 });
    expect(await letters(world)).toMatchObject([{ state: "active" }]);
    expect(await noted(world)).toEqual([[1, 1]]);

    const [letter] = await world.table.deadLetters(SOURCE, {}, 1);
    await redrive(world, { group: letter?.group.id ?? "", reason: "JobFailed", module: "thumbnail", exitCode: 1 });
    expect(world.run()).toMatchObject({ redrive: 2 });
  });

  it("is in the lists with what it failed for, however often it was withdrawn", async () => {
    const world = await withDead(1);
    const [before] = await world.table.deadLetters(SOURCE, {}, 1);
    for (const redrives of [1, 2, 3]) {
      world.clock.advance(1_000);
      await order(world);
      world.broker.failNext("defer", new Error("The operation is not supported."));
      await carrier(world)();
      expect(world.closed().at(-1)).toMatchObject({ status: "withdrawn", redrive: redrives });
      expect(await world.table.deadLetters(SOURCE, {}, 9)).toMatchObject([
        { redrive: redrives, group: before?.group, exitCode: 1, closedAt: before?.closedAt },
      ]);
      const [closed] = world.closed();
      const shown = await deadLetter(world.deps, closed ? runId(closed) : "");
      expect(shown).toMatchObject({ kind: "dead letter", letter: { redrive: redrives, exitCode: 1 } });
    }
  });

  it("is set aside by the next process, if the first one died before it did", async () => {
    const world = await withDead(1);
    world.clock.advance(1_000);
    await order(world);
    world.broker.failNext("defer", new LockLostError("the lock is over"));
    await carrier(world)();
    expect(await redriveOf(world)).not.toHaveProperty("end");
    // The process holds the letter until its lock is over.
    world.clock.advance(LOCK_MS);
    await carrier(world)();
    expect(await letters(world)).toMatchObject([{ state: "deferred" }]);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", redrive: 1 });
    await carrier(world)();
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1 });
  });

  it("is left as it was if the service refuses to defer dead letters, and the redrive says so", async () => {
    const world = await withDead(1, 1);
    world.clock.advance(1_000);
    await order(world);
    world.broker.failNext("defer", new Error("The operation is not supported."));
    world.broker.failNext("defer", new Error("The operation is not supported."));
    await carrier(world)();
    expect(await redriveOf(world)).toMatchObject({
      end: "stopped",
      problem: "the service refuses to defer letters in this dead letter queue: The operation is not supported.",
    });
    expect(world.open()).toEqual([]);
    expect((await noted(world)).toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(await world.broker.receiveLetters(LETTERS, 9)).toHaveLength(2);
  });

  it("can be cancelled while it waits, and lies where it lay", async () => {
    const world = await withDead(1);
    await redrive(world);
    world.cluster.fail(world.jobName(), 7);
    await ticks(world, () => world.run().status === "waiting");
    const { cancelRun } = await import("../../../shared/operate/cancel-run.ts");
    expect(await cancelRun(world.deps, world.run(), HOW, world.log)).toMatchObject({ kind: "done" });
    await ticks(world, () => world.open().length === 0);
    expect(world.closed()[1]).toMatchObject({ status: "cancelled", redrive: 1 });
    expect(await letters(world)).toMatchObject([{ properties: { "dispatcher-reason": "Cancelled" } }]);
  });
});

describe("a redrive", () => {
  it("takes what is wanted alone, and gives back what lies in front", async () => {
    const world = await withDead(1, 64, 1, 64);
    const [group] = (await world.table.failureGroups(SOURCE, undefined, 9)).groups.filter(
      ({ newest }) => newest.exitCode === 64,
    );
    expect(await planRedrives(world.deps, [{ group: group?.newest.group.id ?? "" }])).toMatchObject([
      { source: SOURCE, letters: 2, left: {}, inFront: 2, tooDeep: 0 },
    ]);
    await redrive(world, { group: group?.newest.group.id ?? "" });
    expect(world.open().map(({ sequenceNumber }) => sequenceNumber)).toEqual([2, 4]);
    expect(await noted(world)).toEqual([
      [3, 0],
      [1, 0],
    ]);
    expect((await world.broker.receiveLetters(LETTERS, 9)).map(({ sequenceNumber }) => sequenceNumber)).toEqual([1, 3]);
  });

  it.each<[string, RedriveWanted, number[]]>([
    ["a message id", { messageIds: ["m-2"] }, [2]],
    ["a run", { runs: ["thumbnails:3:1"] }, []],
    ["a module", { module: "thumbnail" }, [1, 2, 3]],
    ["another module", { module: "render" }, []],
    ["an exit code", { exitCode: 64 }, [3]],
    ["another exit code", { exitCode: 4 }, []],
    ["another reason", { reason: "Cancelled" }, []],
    ["a time that is to come", { since: Number.MAX_SAFE_INTEGER }, []],
    ["a time that has passed", { until: 1 }, []],
  ])("takes letters by %s", async (_, wanted, expected) => {
    const world = await withDead(1, 1, 64);
    await redrive(world, wanted);
    expect(world.open().map(({ sequenceNumber }) => sequenceNumber)).toEqual(expected);
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: expected.length });
  });

  it("takes as many as a person said, and the next one takes the rest", async () => {
    const world = await withDead(1, 1, 1);
    await redrive(world, {}, { most: 1 });
    expect(world.open()).toHaveLength(1);
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1, most: 1 });
    await redrive(world);
    expect(world.open()).toHaveLength(3);
  });

  it("takes letters that the Dispatcher has not written, if a module takes them", async () => {
    const world = makeWorld();
    const delivery = world.broker.deliver(SOURCE, { messageId: "theirs", ttlMs: 60_000 });
    const letter = {
      reason: "MaxDeliveryCountExceeded",
      description: "",
      properties: { "dispatcher-run": "thumbnails:7:7" },
    };
    await world.broker.deadLetterLocked(SOURCE, delivery.lockToken, letter);
    world.clock.advance(120_000);
    await redrive(world, { reason: "MaxDeliveryCountExceeded", module: "thumbnail" });
    expect(world.run()).toMatchObject({ messageId: "theirs", redrive: 1, sequenceNumber: 1 });
    expect(world.run()).not.toHaveProperty("expiresAt");
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(await letters(world)).toEqual([]);
  });

  it("leaves what it must not redrive, and says how many and why", async () => {
    const world = await withDead(1, 1);
    const put = async (messageId: string, properties: Record<string, string | number>, body = "{}") => {
      const { lockToken } = world.broker.deliver(SOURCE, { messageId, properties, body, subject: "unknown" });
      await world.broker.deadLetterLocked(SOURCE, lockToken, { reason: "theirs", description: "", properties: {} });
    };
    await put("another instance's", { "dispatcher-owner": "someone else" });
    await redrive(world, { messageIds: ["m-1"] });
    expect(await planRedrives(world.deps, [{}])).toMatchObject([
      { letters: 1, left: { "another instance": 1, "at work": 1 }, examples: { "at work": { messageId: "m-1" } } },
    ]);
    await redrive(world);
    expect(await redriveOf(world)).toMatchObject({ redriven: 1, left: { "another instance": 1, "at work": 1 } });
  });

  it("says first which of the named runs and messages have a letter, hindered or not", async () => {
    const world = await withDead(1, 1);
    const [one, two] = world.closed().map((run) => runId(run));
    const gone = "thumbnails:99:1";
    expect(await planRedrives(world.deps, [{ runs: [one ?? "", two ?? "", gone] }])).toMatchObject([
      { letters: 2, met: { runs: [one, two], messageIds: [] } },
    ]);
    await redrive(world, { messageIds: ["m-1"] });
    expect(await planRedrives(world.deps, [{ messageIds: ["m-1", "m-2", "m-3"] }])).toMatchObject([
      { letters: 1, left: { "at work": 1 }, met: { runs: [], messageIds: ["m-1", "m-2"] } },
    ]);
    expect(await planRedrives(world.deps, [{ runs: [gone] }])).toEqual([]);
  });

  it("plans several redrives by one look through the dead letter queue, in the order in which they are wanted", async () => {
    const world = await withDead(1, 64, 1);
    let looks = 0;
    const broker: World["broker"] = {
      ...world.broker,
      browse(...args) {
        looks += 1;
        return world.broker.browse(...args);
      },
    };
    const all = [{ exitCode: 64 }, { messageIds: ["m-9"] }, { exitCode: 1 }];
    expect(await planRedrives({ ...world.deps, broker }, all)).toMatchObject([
      { wanted: { exitCode: 64 }, letters: 1, inFront: 1 },
      { wanted: { exitCode: 1 }, letters: 2, inFront: 1 },
    ]);
    expect(looks).toBe(1);
  });

  it("does not repeat work that succeeded, although its message expired before that was known", async () => {
    const world = makeWorld();
    await world.send({ messageId: "m-1", ttlMs: 60_000 });
    world.cluster.run(world.jobName());
    const { sequenceNumber } = world.run();
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    const { enqueuedAt } = world.closed()[0] ?? { enqueuedAt: 0 };
    const delivery = world.broker.deliver(SOURCE, {
      messageId: "m-1",
      properties: { "dispatcher-owner": "owner-1", "dispatcher-run": `thumbnails:${sequenceNumber}:${enqueuedAt}` },
    });
    const letter = { reason: "TTLExpiredException", description: "", properties: {} };
    await world.broker.deadLetterLocked(SOURCE, delivery.lockToken, letter);
    await redrive(world);
    expect(world.open()).toEqual([]);
    expect(await redriveOf(world)).toMatchObject({ redriven: 0, left: { "work done": 1 } });
  });

  it("is one at a time for each source, can be ended by a person, and is noted in the action log", async () => {
    const world = await withDead(1, 1);
    world.clock.advance(1_000);
    await order(world, { module: "thumbnail" }, { most: 1 });
    expect(await order(world)).toMatchObject({ kind: "refused", because: "redrive at work", who: "ann" });
    world.clock.advance(1);
    expect(await abortRedrive(world.deps, SOURCE, { ...HOW, dryRun: true }, world.log)).toMatchObject({
      kind: "would",
    });
    expect(await abortRedrive(world.deps, SOURCE, HOW, world.log)).toMatchObject({ kind: "done", redriven: 0 });
    expect(await abortRedrive(world.deps, SOURCE, HOW, world.log)).toMatchObject({ kind: "already" });
    await carrier(world)();
    expect(world.open()).toEqual([]);
    expect(await redriveOf(world)).toMatchObject({ end: "aborted" });
    const actions = await world.table.actions(undefined, 9);
    expect(actions.map(({ action }) => [action.what, action.who, action.why])).toEqual([
      ["abort redrive", "ann", "a font was missing"],
      ["redrive dead letters", "ann", "a font was missing"],
    ]);
  });

  it("stops within a batch once a person ends it", async () => {
    const world = await withDead(1, 1, 1);
    world.clock.advance(1_000);
    await order(world, {}, { perSecond: 1 });
    world.broker.beforeNext("receiveLetters", async () => {
      await abortRedrive(world.deps, SOURCE, HOW, world.log);
    });
    world.clock.advance(10_000);
    await carrier(world)();
    expect(await redriveOf(world)).toMatchObject({ end: "aborted" });
  });

  it("receives many at once, however few are wanted, so that one behind many is reached soon", async () => {
    const world = await withDead(64, 64, 64, 1);
    world.clock.advance(1_000);
    await order(world, { messageIds: ["m-4"] }, { most: 1 });
    let received = 0;
    const receiveLetters: World["broker"]["receiveLetters"] = (...from) => {
      received += 1;
      return world.broker.receiveLetters(...from);
    };
    await carrier(world, { broker: { ...world.broker, receiveLetters } })();
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1 });
    expect(received).toBe(1);
  });

  it("counts each letter that it leaves once, though it goes on in the middle of a page", async () => {
    const world = await withDead(1, 1, 1);
    await redrive(world);
    for (const { jobName = "" } of world.open().slice(0, 2)) world.cluster.fail(jobName, 2);
    await ticks(world, () => world.open().length === 1);
    // The third is at work, and the first two are deferred.
    world.clock.advance(1_000);
    await order(world, {}, { perSecond: 1 });
    const over = new AbortController();
    world.table.beforeNext("claim", () => over.abort());
    await carrier(world)(over.signal);
    expect(await redriveOf(world)).toMatchObject({ redriven: 1, left: {} });
    await carrier(world)();
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 2, left: { "at work": 1 } });
  });

  it("gives back what it holds once a person has ended it", async () => {
    const { world, carry } = await holdingTwo();
    await abortRedrive(world.deps, SOURCE, HOW, world.log);
    await carry();
    expect(await received(world)).toEqual([2, 3]);
  });

  it("leaves what it holds to the service if the bus goes away while it gives that back", async () => {
    const world = await withDeep(450);
    world.clock.advance(1_000);
    await order(world, { reason: "JobFailed" });
    let asked = 0;
    const giveBack: World["broker"]["giveBack"] = async () => {
      asked += 1;
      throw new UnavailableError("no answer");
    };
    await carrier(world, { broker: { ...world.deps.broker, giveBack } })();
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1 });
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(32);
    world.clock.advance(LOCK_MS);
    expect(await received(world)).toHaveLength(9);
  });

  it("lets what came before it start first, and keeps its place in line", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, permanentExitCodes: [1] }, maxActive: 1 })]);
    await world.send({ messageId: "old" });
    world.cluster.fail(world.jobName(), 1);
    await ticks(world, () => world.open().length === 0);
    await world.send({ messageId: "at work" });
    await world.send({ messageId: "came before" });
    world.clock.advance(1_000);
    await order(world);
    await carrier(world)();
    world.clock.advance(1_000);
    await world.send({ messageId: "came after" });
    const started: string[] = [];
    for (let done = 0; done < 4; done += 1) {
      const running = world.open().find(({ status }) => status === "dispatched");
      started.push(running?.messageId ?? "");
      world.cluster.succeed(running?.jobName ?? "");
      await ticks(
        world,
        () => world.open().some(({ status, jobName }) => status === "dispatched" && jobName !== running?.jobName),
        5_000,
        3,
      );
    }
    expect(started).toEqual(["at work", "came before", "old", "came after"]);
  });

  it("leaves nothing for an audit to find, at work and when it is over", async () => {
    const world = await withDead(1, 1, 64);
    await redrive(world, { messageIds: ["m-1", "m-3"] });
    world.clock.advance(3_600_000);
    expect(await audit(world.deps)).toMatchObject({ findings: [], unfinished: [] });
    for (const { jobName = "" } of world.open()) world.cluster.fail(jobName, 2);
    await ticks(world, () => world.open().length === 0);
    world.clock.advance(3_600_000);
    expect(await audit(world.deps)).toMatchObject({ findings: [], unfinished: [] });
  });

  it("is refused for an app that may sleep, unless a person keeps a replica", async () => {
    const world = await withDead(1);
    const deps = { ...world.deps, kedaVersion: "2.19.0" };
    expect(await orderRedrive(deps, SOURCE, {}, HOW, world.log)).toMatchObject({ because: "may sleep" });
    expect(await orderRedrive(deps, SOURCE, {}, { ...HOW, replicaIsKept: true }, world.log)).toMatchObject({
      kind: "done",
    });
  });

  it("keeps what lies in front from one tick to the next, and goes on behind it", async () => {
    const { world, carry } = await holdingTwo();
    world.clock.advance(LOCK_MS / 4);
    await carry();
    expect(await received(world)).toEqual([]);
    expect(await redriveOf(world)).not.toHaveProperty("end");
    world.clock.advance(LOCK_MS);
    await carry();
    await carry();
    expect(world.open()).toMatchObject([{ sequenceNumber: 1 }]);
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1 });
    expect(await received(world)).toEqual([2, 3]);
  });

  it("comes to what lies deep, because it has looked at what lies in front before its locks began", async () => {
    const world = await withDeep(450);
    const letterRuns: World["table"]["letterRuns"] = (...asked) => {
      if (asked[1].length > 0) world.clock.advance(LOCK_MS / 8);
      return world.table.letterRuns(...asked);
    };
    world.clock.advance(1_000);
    await order(world, { reason: "JobFailed" });
    await carrier(world, { table: { ...world.deps.table, letterRuns } })();
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1 });
    expect(world.open()).toMatchObject([{ messageId: "deep" }]);
  });

  it("receives what lies in front in few requests, because all of its locks last from the first one on", async () => {
    const world = await withDeep(1_250);
    const asked: number[] = [];
    const receiveLetters: World["broker"]["receiveLetters"] = (from, count) => {
      asked.push(count);
      return world.broker.receiveLetters(from, count);
    };
    world.clock.advance(1_000);
    await order(world, { reason: "JobFailed" });
    await carrier(world, { broker: { ...world.deps.broker, receiveLetters } })();
    expect(world.open()).toMatchObject([{ messageId: "deep" }]);
    expect(asked).toEqual([1_000, 250, 100, 100]);
  });

  it("stops before it locks anything, if more lies in front than may be held", async () => {
    const world = await withDeep(10_001);
    world.clock.advance(1_000);
    await order(world, { reason: "JobFailed" });
    await carrier(world)();
    expect(await redriveOf(world)).toMatchObject({
      end: "stopped",
      redriven: 0,
      problem: expect.stringContaining("more than 10,000 other letters lie in front"),
    });
    expect(await received(world)).toHaveLength(9);
  });

  it("begins anew in front after a pause in which its locks lapsed", async () => {
    const world = await withDeep(1_250);
    const tick = new AbortController();
    const carry = receiving(world, () => tick.abort());
    await order(world, { reason: "JobFailed" });
    await carry(tick.signal);
    expect(world.open()).toEqual([]);
    world.clock.advance(LOCK_MS);
    await carry();
    await carry();
    expect(await redriveOf(world)).toMatchObject({ end: "done", redriven: 1 });
    expect(world.open()).toMatchObject([{ messageId: "deep" }]);
  });

  it("stops if the locks of what lies in front lapse twice before it comes to a wanted letter", async () => {
    const world = await withDeep(1_250);
    const carry = receiving(world, () => world.clock.advance(LOCK_MS));
    await order(world, { reason: "JobFailed" });
    await carry();
    expect(await redriveOf(world)).not.toHaveProperty("end");
    await carry();
    expect(await redriveOf(world)).toMatchObject({
      end: "stopped",
      redriven: 0,
      problem: expect.stringContaining("could not be received within half a lock duration"),
    });
  });

  it("claims what it has just received, although it holds others for long", async () => {
    const { world, carry, lockToken } = await holdingTwo();
    // The wanted letter is free again a moment before the others have to be given back.
    world.clock.advance(LOCK_MS / 2 - 1);
    await world.broker.giveBack(LETTERS, lockToken);
    world.table.beforeNext("letterRuns", () => world.clock.advance(1_000));
    await carry();
    expect(world.open()).toMatchObject([{ sequenceNumber: 1 }]);
  });

  it("stops once the locks are to be given back, if it holds the wanted letter itself and can't claim it", async () => {
    const world = await withDead(1);
    world.clock.advance(1_000);
    await order(world);
    world.table.failNext("claim", new ConflictError("The row has changed."));
    const carry = carrier(world);
    await carry();
    expect(await redriveOf(world)).not.toHaveProperty("end");
    world.clock.advance(LOCK_MS / 2 + 1);
    await carry();
    expect(await redriveOf(world)).toMatchObject({
      end: "stopped",
      redriven: 0,
      problem: expect.stringContaining("could not be claimed"),
    });
    // It has given the letter back.
    await redrive(world);
    expect(world.open()).toMatchObject([{ sequenceNumber: 1, redrive: 1 }]);
  });

  it("goes on by a batch in each tick, although the ticks take all the time there is", async () => {
    const world = await withDead(1, 1, 1, 1);
    world.clock.advance(1_000);
    await order(world, {}, { perSecond: 2 });
    const carry = carrier(world);
    await carry(AbortSignal.abort());
    expect(world.open()).toHaveLength(2);
    await carry(AbortSignal.abort());
    expect(world.open()).toHaveLength(4);
  });
});

/** A world in whose dead letter queue so many letters of others lie in front of a run's. */
async function withDeep(others: number): Promise<World> {
  const world = await withDead();
  for (let n = 0; n < others; n += 1) {
    const { lockToken } = world.broker.deliver(SOURCE, { messageId: `theirs-${n}` });
    await world.broker.deadLetterLocked(SOURCE, lockToken, { reason: "theirs", description: "", properties: {} });
  }
  await world.send({ messageId: "deep" });
  world.cluster.fail(world.jobName(), 1);
  await ticks(world, () => world.open().length === 0);
  return world;
}

/** A process to which something happens each time after it has received letters. */
function receiving(world: World, happens: () => void) {
  world.clock.advance(1_000);
  const receiveLetters: World["broker"]["receiveLetters"] = async (...asked) => {
    const letters = await world.broker.receiveLetters(...asked);
    happens();
    return letters;
  };
  return carrier(world, { broker: { ...world.deps.broker, receiveLetters } });
}

/** The numbers of the letters that another receiver gets now. */
async function received(world: World): Promise<number[]> {
  return (await world.broker.receiveLetters(LETTERS, 9)).map(({ sequenceNumber }) => sequenceNumber);
}

/** A process that holds two letters, because the wanted one, in front of them, is locked by another receiver. */
async function holdingTwo() {
  const world = await withDead(64, 1, 1);
  world.clock.advance(1_000);
  await order(world, { messageIds: ["m-1"] });
  const [first] = await world.broker.receiveLetters(LETTERS, 1);
  const carry = carrier(world);
  await carry();
  expect(await received(world)).toEqual([]);
  return { world, carry, lockToken: first?.lockToken ?? "" };
}
