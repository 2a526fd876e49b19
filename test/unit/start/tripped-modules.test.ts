import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeReadiness } from "../../../shared/health.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, type World } from "../../support/world.ts";

const MINUTE = 60_000;
const BROKEN = aModule({ retry: RETRY });
const MENDED = aModule({
  retry: RETRY,
  work: { kind: "worker", worker: { image: "busybox:fixed", command: ["true"] }, handler: undefined },
});

const names = (world: World) => world.open().flatMap(({ jobName }) => jobName ?? []);

const linesOf = (world: World, message: RegExp) => world.lines.filter((line) => message.test(String(line["message"])));

/** Sends messages whose Jobs can't pull their image, and ticks after the grace period. */
async function broken(messages: number, world = makeWorld([BROKEN])): Promise<World> {
  for (let index = 1; index <= messages; index += 1) await world.send({ messageId: `m-${index}` });
  for (const name of names(world)) world.cluster.stick(name);
  await world.tick();
  world.clock.advance(31_000);
  await world.tick();
  return world;
}

/** Ticks until the Jobs that the Dispatcher ends are over and their runs are requeued. */
async function endStuck(world: World): Promise<void> {
  await world.tick();
  await world.tick();
}

/** A module that three messages have tripped, with two more messages that wait. */
async function tripped(module = BROKEN): Promise<World> {
  const world = await broken(3, makeWorld([module]));
  await endStuck(world);
  expect((await world.table.moduleStates())[0]?.state.trippedAt).toBeDefined();
  await world.send({ messageId: "m-4" });
  await world.send({ messageId: "m-5" });
  return world;
}

describe("a module whose image is broken", () => {
  it("trips after three messages fail alike, and charges no message for it from then on", async () => {
    const world = await broken(10);
    await endStuck(world);
    const failures = world.open().map((run) => run.failures);
    expect(failures.filter((count) => count > 0)).toHaveLength(2);
    expect(failures).toHaveLength(10);
    expect(world.lines).toContainEqual(
      expect.objectContaining({ level: "error", message: expect.stringMatching(/^tripped a module/) }),
    );
  });

  it("logs once that it tripped, however many messages and replicas meet the fault at the same time", async () => {
    const world = makeWorld([BROKEN]);
    for (let index = 1; index <= 20; index += 1) await world.send({ messageId: `m-${index}` });
    for (const name of names(world)) world.cluster.stick(name);
    await world.tick();
    world.clock.advance(31_000);
    await Promise.all([world.tick(), world.makeReplica().tick()]);
    expect(linesOf(world, /^tripped a module/)).toHaveLength(1);
  });

  it("writes its row no more once it is tripped, however many messages meet the same fault", async () => {
    const world = makeWorld([BROKEN]);
    for (let index = 1; index <= 20; index += 1) await world.send({ messageId: `m-${index}` });
    for (const name of names(world)) world.cluster.stick(name);
    await world.tick();
    world.clock.advance(31_000);
    let saves = 0;
    const counted = {
      ...world.table,
      saveModuleState: (...args: Parameters<typeof world.table.saveModuleState>) => {
        saves += 1;
        return world.table.saveModuleState(...args);
      },
    };
    await world.makeReplica({ tables: counted }).tick();
    expect(saves).toBe(3);
  });

  it("logs once that it recovered, however many of its Jobs run", async () => {
    const world = await tripped();
    world.clock.advance(MINUTE);
    await world.tick();
    const [probe = ""] = names(world);
    world.cluster.run(probe);
    await Promise.all([world.tick(), world.makeReplica().tick()]);
    for (const name of names(world)) world.cluster.run(name);
    await Promise.all([world.tick(), world.makeReplica().tick()]);
    expect(linesOf(world, /^a module recovered/)).toHaveLength(1);
  });

  it("dead-letters no message for it, however long it lasts", async () => {
    const world = await tripped();
    for (let minute = 0; minute < 240; minute += 1) {
      world.clock.advance(MINUTE);
      for (const name of names(world)) world.cluster.stick(name);
      await world.tick();
      world.clock.advance(31_000);
      await world.tick();
      await endStuck(world);
    }
    expect(world.closed()).toEqual([]);
    expect(world.open()).toHaveLength(5);
    expect(Math.max(...world.open().map((run) => run.failures))).toBe(1);
  });

  it("starts no Job, neither for messages that wait nor for messages that arrive", async () => {
    const world = await tripped();
    const created = world.cluster.creates.length;
    // The first tick has those whose time has come join the line, and the second asks the first in line alone.
    for (const waiting of [4, 1]) {
      world.clock.advance(15_000);
      await world.tick();
      expect(world.lastTick()).toMatchObject({ waiting: { "module-tripped": waiting } });
    }
    expect(world.cluster.creates).toHaveLength(created);
  });

  it("probes with one message at a time, and with another message each time", async () => {
    const world = await tripped();
    const created = world.cluster.creates.length;
    const tried = new Set<string>();
    for (let probe = 0; probe < 3; probe += 1) {
      world.clock.advance(10 * MINUTE);
      await Promise.all([world.tick(), world.makeReplica().tick()]);
      const [run, ...others] = world.open().filter(({ status }) => status === "dispatched");
      expect(others).toEqual([]);
      tried.add(run?.messageId ?? "");
      for (const name of names(world)) world.cluster.stick(name);
      await world.tick();
      world.clock.advance(31_000);
      await world.tick();
      await endStuck(world);
    }
    expect(world.cluster.creates).toHaveLength(created + 3);
    expect(tried.size).toBeGreaterThan(1);
  });

  it("recovers once one of its Jobs starts, and starts all messages that wait", async () => {
    const world = await tripped();
    world.clock.advance(MINUTE);
    await world.tick();
    const [probe = ""] = names(world);
    world.cluster.run(probe);
    await world.tick();
    await world.tick();
    expect(world.open().filter(({ status }) => status === "dispatched")).toHaveLength(5);
    expect(world.lines).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/^a module recovered/) }),
    );
  });

  it("recovers if the probe's Job is over before a tick saw it run", async () => {
    const world = await tripped();
    world.clock.advance(MINUTE);
    await world.tick();
    const [probe = ""] = names(world);
    world.cluster.run(probe);
    world.cluster.fail(probe, 1);
    await world.tick();
    world.clock.advance(MINUTE);
    await world.tick();
    expect(world.open().filter(({ status }) => status === "dispatched")).toHaveLength(5);
  });

  it("recovers at once if its template changes", async () => {
    const world = await tripped();
    const mended = world.makeReplica({ modules: new Map([[MENDED.name, MENDED]]) });
    world.clock.advance(10_000);
    await mended.tick();
    expect(world.open().filter(({ status }) => status === "dispatched")).toHaveLength(5);
  });

  it("trips although a Job that was created earlier runs", async () => {
    const world = makeWorld([BROKEN]);
    await world.send({ messageId: "early" });
    const [early = ""] = names(world);
    world.cluster.run(early);
    world.clock.advance(MINUTE);
    await world.tick();
    for (const id of ["m-1", "m-2", "m-3"]) await world.send({ messageId: id });
    for (const name of names(world)) if (name !== early) world.cluster.stick(name);
    await world.tick();
    world.clock.advance(31_000);
    await world.tick();
    await world.tick();
    expect((await world.table.moduleStates())[0]?.state.trippedAt).toBeDefined();
  });

  it("does not keep other modules waiting", async () => {
    const other = aModule({ name: "other", when: { subject: "other" }, retry: RETRY });
    const world = await broken(3, makeWorld([aModule({ retry: RETRY, when: { subject: "image" } }), other]));
    await world.send({ messageId: "o-1", subject: "other" });
    expect(world.open().find(({ messageId }) => messageId === "o-1")).toMatchObject({ status: "dispatched" });
  });

  it("is named by the readiness answer, which stays ready", async () => {
    const world = await tripped();
    expect(await makeReadiness(world.deps)()).toMatchObject({
      ready: true,
      tripped: { thumbnail: expect.stringContaining("failed to pull image") },
    });
  });

  it("trips if three replicas meet the fault with one message each", async () => {
    const world = makeWorld([BROKEN]);
    for (const id of ["m-1", "m-2", "m-3"]) await world.send({ messageId: id });
    for (const name of names(world)) world.cluster.stick(name);
    await world.tick();
    world.clock.advance(31_000);
    await Promise.all([world.tick(), world.makeReplica().tick(), world.makeReplica().tick()]);
    expect((await world.table.moduleStates())[0]?.state).toMatchObject({ failed: { length: 3 } });
  });
});

describe("a module with a handler, whose worker is an init container", () => {
  const HANDLED = aModule({
    retry: RETRY,
    work: { kind: "worker", worker: { image: "busybox" }, handler: { image: "handler" } },
  });
  const lookedAt = (world: World) => {
    let looks = 0;
    const get = world.cluster.get.bind(world.cluster);
    world.cluster.get = (name) => {
      looks += 1;
      return get(name);
    };
    return () => looks;
  };

  it.each(["prepare", "worker"])("recovers once its %s runs, hours before its Job is over", async (container) => {
    const world = await tripped(HANDLED);
    world.clock.advance(MINUTE);
    await world.tick();
    const [probe = ""] = names(world);
    world.cluster.runInit(probe, container);
    await world.tick();
    expect(linesOf(world, /^a module recovered/)).toHaveLength(1);
  });

  it("forgets two failures once one of its Jobs is at work", async () => {
    const world = await broken(2, makeWorld([HANDLED]));
    await endStuck(world);
    await world.send({ messageId: "m-9" });
    const name = world.open().find(({ messageId }) => messageId === "m-9")?.jobName ?? "";
    world.cluster.runInit(name, "worker");
    await world.tick();
    expect((await world.table.moduleStates())[0]?.state.failed).toEqual([]);
  });

  it("has no Job looked at in each tick as long as its worker runs", async () => {
    const world = makeWorld([HANDLED]);
    await world.send();
    world.cluster.runInit(world.jobName(), "worker");
    const looks = lookedAt(world);
    for (let tick = 0; tick < 3; tick += 1) {
      world.clock.advance(20 * MINUTE);
      await world.tick();
    }
    expect(looks()).toBe(0);
    expect(world.lastTick()).toMatchObject({ working: 1 });
  });
});

describe("a Job that the API server refuses", () => {
  it.each([
    { name: "quotes its name", says: (name: string) => `jobs.batch "${name}" is forbidden: by policy 7` },
    {
      name: "names it without quotes, as Kyverno does",
      says: (name: string) =>
        `admission webhook "validate.kyverno.svc-fail" denied the request: resource Job/jobs/${name} was blocked due to the following policies`,
    },
    {
      name: "ends with an id that is another one each time",
      says: () => `admission webhook "policy" denied the request: correlation id ${randomUUID()}`,
    },
  ])(
    "ends its message at once, until three messages show that the template is to blame, if the refusal $name",
    async ({ says }) => {
      const world = makeWorld([BROKEN]);
      world.cluster.create = async ({ metadata }) => ({ kind: "refused", message: says(metadata?.name ?? "") });
      for (const id of ["m-1", "m-2", "m-3", "m-4"]) {
        // Another enqueued time gives the Job's name another hash.
        world.clock.advance(1);
        await world.send({ messageId: id });
      }
      await world.tick();
      expect(world.closed()).toMatchObject([{ messageId: "m-1" }, { messageId: "m-2" }]);
      expect(world.open()).toMatchObject([
        { messageId: "m-3", failures: 0, status: "waiting" },
        { messageId: "m-4", failures: 0, status: "waiting" },
      ]);
    },
  );
});
