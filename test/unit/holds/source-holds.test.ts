import { describe, expect, it } from "vitest";
import { EntityMissingError, UnavailableError } from "../../../shared/errors.ts";
import { makeLog } from "../../../shared/log.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

const HOUR_MS = 3_600_000;

/** A world with so many messages that wait for their next attempt. */
async function withWaiting(count: number): Promise<World> {
  const world = makeWorld();
  for (let sent = 0; sent < count; sent += 1) await world.send();
  for (const name of world.cluster.names()) world.cluster.fail(name);
  await world.tick();
  world.clock.advance(5_000);
  return world;
}

const errors = ({ lines }: World) => lines.filter(({ level }) => level === "error").map(({ message }) => message);
const warnings = ({ lines }: World) => lines.filter(({ level }) => level === "warn").map(({ message }) => message);
const deliver = ({ broker }: World) => broker.deliver(SOURCE, { body: Buffer.from("{}") });
const holds = async ({ table }: World) => (await table.heldSources()).map(({ hold }) => hold);
const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, index) => index + from);

/** Ticks every ten minutes. */
async function ticksFor(world: World, hours: number): Promise<void> {
  const ticksInAll = hours * 6;
  for (let tick = 0; tick < ticksInAll; tick += 1) {
    world.clock.advance(HOUR_MS / 6);
    await world.tick();
  }
}

const ENTITY = "held a source: the bus has no such queue or subscription";
const MESSAGES = "held a source: too many of its messages are missing to believe it; is this the right namespace?";
const LOST = "closed a run as lost: its message is gone from the bus";

describe("a source whose entity is missing", () => {
  it("is held at once, with one line per tick, whatever its runs wait for", async () => {
    const world = await withWaiting(5);
    await world.send();
    world.cluster.run(world.cluster.names().at(-1) ?? "");
    world.broker.remove(SOURCE);
    world.lines.length = 0;
    await world.tick();
    expect(errors(world)).toEqual([ENTITY]);
    expect(world.lastTick()).toMatchObject({ held: 1, failed: 0 });
    world.lines.length = 0;
    world.cluster.succeed(world.cluster.names().at(-1) ?? "");
    await world.tick();
    expect(errors(world)).toEqual([ENTITY]);
    expect(warnings(world)).toEqual([]);
    expect(world.lastTick()).toMatchObject({ held: 1, waiting: { "source-held": expect.any(Number) } });
    expect(world.open()).toHaveLength(6);
  });

  it("goes on as if nothing had been when the entity comes back", async () => {
    const world = await withWaiting(3);
    world.broker.remove(SOURCE);
    await world.tick();
    await ticksFor(world, 20);
    world.broker.bringBack(SOURCE);
    await world.tick();
    expect(await holds(world)).toEqual([]);
    expect(warnings(world)).toContain("a source is held no more: what was missing is there");
    await ticks(world, () => world.open().every(({ status }) => status === "dispatched"));
    expect(world.open().map(({ attempt, interruptions }) => `${attempt} ${interruptions}`)).toEqual(
      Array(3).fill("2 0"),
    );
  });

  it("loses its runs after 24 hours in which the namespace answered, with an alarm for each", async () => {
    const world = await withWaiting(2);
    await world.send();
    const [atWork = ""] = world.open().flatMap(({ status, jobName }) => (status === "dispatched" ? [jobName] : []));
    world.cluster.run(atWork ?? "");
    world.broker.remove(SOURCE);
    await world.tick();
    await ticksFor(world, 23);
    expect(world.open()).toHaveLength(3);
    await ticksFor(world, 1);
    expect(world.closed().map(({ status }) => status)).toEqual(["lost", "lost", "lost"]);
    expect(errors(world).filter((message) => message === LOST)).toHaveLength(3);
    expect(world.lastTick()).toMatchObject({ lost: 3 });
  });

  it("closes a run that has its verdict by it", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.remove(SOURCE);
    await world.tick();
    expect(world.run().status).toBe("settling");
    await ticksFor(world, 25);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("loses a run that a person cancelled, too, and one whose module is gone", async () => {
    const world = await withWaiting(2);
    const other = world.makeReplica({ modules: new Map() });
    world.broker.remove(SOURCE);
    const operator = makeOperator(other.deps, makeLog({ info() {}, warn() {}, error() {} }));
    await operator.cancel([`thumbnails:1:${world.open()[0]?.enqueuedAt ?? 0}`], BY_HAND);
    for (let tick = 0; tick < 150; tick += 1) {
      await other.tick();
      world.clock.advance(HOUR_MS / 6);
    }
    expect(world.closed().map(({ status }) => status)).toEqual(["cancelled", "lost"]);
  });

  it("is noticed by the sweep if no run of it is looked at, because its module is gone", async () => {
    const world = await withWaiting(2);
    const other = world.makeReplica({ modules: new Map() });
    world.broker.remove(SOURCE);
    world.lines.length = 0;
    await other.tick();
    expect(errors(world)).toEqual([ENTITY]);
    expect(world.lastTick()).toMatchObject({ held: 1, failed: 0 });
    for (let tick = 0; tick < 145; tick += 1) {
      world.clock.advance(HOUR_MS / 6);
      await other.tick();
    }
    expect(world.closed().map(({ status }) => status)).toEqual(["lost", "lost"]);
    world.lines.length = 0;
    await other.tick();
    expect(world.lastTick()).toMatchObject({ held: 0 });
  });

  it("stays an alarm as long as a module names it, also without runs", async () => {
    const world = makeWorld();
    world.broker.remove(SOURCE);
    await world.tick();
    await ticksFor(world, 30);
    expect(world.lastTick()).toMatchObject({ held: 1, failed: 0 });
  });

  it("is not lost while nobody could be told: the 24 hours begin anew after an hour without an answer", async () => {
    const world = await withWaiting(1);
    world.broker.remove(SOURCE);
    await world.tick();
    await ticksFor(world, 20);
    world.clock.advance(48 * HOUR_MS);
    await world.tick();
    await ticksFor(world, 23);
    expect(world.open()).toHaveLength(1);
    await ticksFor(world, 1);
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
  });

  it("counts no time in which the whole namespace is away", async () => {
    const world = await withWaiting(1);
    world.broker.remove(SOURCE);
    await world.tick();
    for (let hour = 0; hour < 30; hour += 1) {
      world.clock.advance(HOUR_MS);
      world.broker.failNext("browse", new UnavailableError("no connection"));
      await world.tick();
    }
    expect(world.open()).toHaveLength(1);
    await ticksFor(world, 1);
    expect(world.open()).toHaveLength(1);
  });

  it("leaves a Job at work to its end, and retires it then", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.broker.remove(SOURCE);
    world.broker.failNext("browse", new EntityMissingError("no such queue"));
    await world.table.holdSource(
      SOURCE,
      {
        because: "entity missing",
        since: world.clock.now() - 24 * HOUR_MS,
        confirmedAt: world.clock.now(),
        missing: [],
      },
      undefined,
    );
    for (let tick = 0; tick < 4; tick += 1) await world.tick();
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
    expect(world.cluster.job(name).spec?.activeDeadlineSeconds).not.toBe(1);
    world.cluster.succeed(name);
    for (let tick = 0; tick < 4; tick += 1) await world.tick();
    expect(world.cluster.job(name).metadata?.labels).toMatchObject({ "ion/retired": "true" });
  });

  it("goes on with the Job at work if the message turns up after all", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.broker.remove(SOURCE);
    await world.table.holdSource(
      SOURCE,
      {
        because: "entity missing",
        since: world.clock.now() - 24 * HOUR_MS,
        confirmedAt: world.clock.now(),
        missing: [],
      },
      undefined,
    );
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
    world.broker.bringBack(SOURCE);
    await ticks(world, () => world.open().length > 0);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1, jobName: name });
    world.cluster.succeed(name);
    await ticks(world, () => world.open().length === 0);
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.names()).toEqual([name]);
  });

  it("keeps no other source from going on", async () => {
    const other = { queue: "videos" };
    const world = makeWorld([aModule({ retry: RETRY }), aModule({ name: "video", source: other, retry: RETRY })]);
    await world.send();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.broker.remove(other);
    await world.table.holdSource(
      other,
      { because: "entity missing", since: world.clock.now(), confirmedAt: world.clock.now(), missing: [] },
      undefined,
    );
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run().attempt).toBe(2);
  });
});

describe("a source most of whose messages are missing", () => {
  it("is held before any run is closed, and goes on when they are seen again", async () => {
    const world = await withWaiting(12);
    for (const number of numbers(7)) world.hide(number);
    await world.tick();
    expect(errors(world)).toContain(MESSAGES);
    for (let tick = 0; tick < 10; tick += 1) {
      world.clock.advance(LOCK_MS);
      await world.tick();
    }
    expect(world.closed()).toEqual([]);
    expect(world.lastTick()).toMatchObject({ held: 1, waiting: { "source-held": 12 } });
    for (const number of numbers(7)) world.show(number);
    await ticks(world, () => world.open().every(({ status }) => status === "dispatched"), LOCK_MS);
    expect(await holds(world)).toEqual([]);
    expect(world.open().map(({ attempt }) => attempt)).toEqual(Array(12).fill(2));
  });

  it("is held also if it shows only when each is looked for the second time", async () => {
    const world = await withWaiting(12);
    // Half of them are missing: that is not most.
    for (const number of numbers(6)) world.hide(number);
    await world.tick();
    expect(await holds(world)).toEqual([]);
    for (const { jobName, status } of world.open()) if (status === "dispatched") world.cluster.fail(jobName ?? "");
    await world.tick();
    for (const number of numbers(12)) world.hide(number);
    world.clock.advance(LOCK_MS);
    await world.tick();
    expect(world.closed()).toEqual([]);
    expect(await holds(world)).toMatchObject([{ because: "messages missing" }]);
  });

  it("starts nothing by a trigger either, in any replica", async () => {
    const world = await withWaiting(12);
    for (const number of numbers(12)) world.hide(number);
    await world.tick();
    expect(await world.makeReplica().accept(deliver(world))).toBe("waiting");
    expect(world.cluster.names()).toHaveLength(12);
  });

  it("stays held, however long, because only a person can tell", async () => {
    const world = await withWaiting(12);
    for (const number of numbers(12)) world.hide(number);
    await world.tick();
    await ticksFor(world, 24 * 7);
    expect(world.open()).toHaveLength(12);
  });

  it("is not suspected for fewer than ten, which are lost as ever", async () => {
    const world = await withWaiting(9);
    for (const number of numbers(9)) world.hide(number);
    await ticks(world, () => world.open().length === 0, LOCK_MS);
    expect(world.closed().map(({ status }) => status)).toEqual(Array(9).fill("lost"));
  });

  it("is not suspected if the messages were settled, and only the answers were lost", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    for (let sent = 0; sent < 12; sent += 1) world.broker.loseNextReply("completeDeferred");
    await ticks(world, () => world.open().length === 0, LOCK_MS);
    expect(world.closed().map(({ status }) => status)).toEqual(Array(12).fill("succeeded"));
    expect(errors(world)).toEqual([]);
  });

  it("goes on although the messages of other runs are rightly gone, because they were settled", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 22; sent += 1) await world.send();
    for (const [index, name] of world.cluster.names().entries())
      if (index < 12) world.cluster.succeed(name);
      else world.cluster.fail(name);
    for (let sent = 0; sent < 12; sent += 1) world.broker.loseNextReply("completeDeferred");
    await world.tick();
    const waiting = world.open().flatMap((run) => (run.status === "waiting" ? [run.sequenceNumber] : []));
    expect(waiting).toHaveLength(10);
    for (const number of waiting) world.hide(number);
    world.clock.advance(5_000);
    await world.tick();
    expect(await holds(world)).toMatchObject([{ because: "messages missing" }]);
    for (const number of waiting) world.show(number);
    await world.tick();
    expect(await holds(world)).toEqual([]);
  });

  it("is not suspected by a replica that slept while another one settled the messages", async () => {
    const world = await withWaiting(12);
    const other = world.makeReplica();
    const listJobs = world.cluster.listJobs.bind(world.cluster);
    world.cluster.listJobs = async () => {
      // The rows are read, and now the replica sleeps.
      world.cluster.listJobs = listJobs;
      const listed = await listJobs();
      for (let tick = 0; tick < 3; tick += 1) {
        await other.tick();
        for (const name of world.cluster.names()) if (name.endsWith("-2")) world.cluster.succeed(name);
      }
      return listed;
    };
    await world.tick();
    expect(world.closed()).toHaveLength(12);
    expect(await holds(world)).toEqual([]);
  });

  it("becomes one whose entity is missing if the bus says so later", async () => {
    const world = await withWaiting(12);
    for (const number of numbers(12)) world.hide(number);
    await world.tick();
    for (const number of numbers(12)) world.show(number);
    world.broker.remove(SOURCE);
    world.clock.advance(60_000);
    await world.tick();
    expect(await holds(world)).toMatchObject([{ because: "entity missing", since: world.clock.now() }]);
  });
});
