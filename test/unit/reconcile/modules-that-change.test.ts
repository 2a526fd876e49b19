import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, withRun } from "../../support/world.ts";

const ELSEWHERE = aModule({ retry: RETRY, source: { queue: "others" } });
const MOVED = { modules: new Map([[ELSEWHERE.name, ELSEWHERE]]) };

describe("a module that takes its messages from another source now", () => {
  it("starts no attempt for the runs of the old source, but follows and settles them", async () => {
    const world = makeWorld();
    await world.send();
    await world.send({ messageId: "m-2" });
    const [first, second] = world.open().map(({ jobName }) => jobName ?? "");
    world.cluster.run(first ?? "");
    world.cluster.fail(first ?? "");
    world.cluster.succeed(second ?? "");
    const moved = world.makeReplica(MOVED);
    await moved.tick();
    world.clock.advance(60_000);
    await moved.tick();
    expect(world.closed()).toMatchObject([{ messageId: "m-2", status: "succeeded" }]);
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    expect(world.cluster.creates).toHaveLength(2);
    expect(world.lastTick()).toMatchObject({ waiting: { "module-removed": 1 } });
  });

  it("starts no Job for an accepted message of the old source that is delivered again", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    await world.send();
    expect(await world.makeReplica(MOVED).accept(world.redeliver())).toBe("waiting");
    expect(world.cluster.creates).toHaveLength(0);
  });
});

describe("a module whose limits change while its runs are open", () => {
  it("ends its runs after the new number of attempts", async () => {
    const world = makeWorld();
    await world.send();
    world.cluster.run(world.jobName());
    world.cluster.fail(world.jobName());
    const strict = aModule({ retry: { ...RETRY, maxAttempts: 1 } });
    await world.makeReplica({ modules: new Map([[strict.name, strict]]) }).tick();
    expect(world.message(1).letter?.reason).toBe("JobFailed");
  });

  it("starts no Job while the operator pauses it, and goes on after that", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    await world.send();
    const paused = aModule({ retry: RETRY, maxActive: 0 });
    const replica = world.makeReplica({ modules: new Map([[paused.name, paused]]) });
    world.clock.advance(60_000);
    await replica.tick();
    expect(world.run().status).toBe("waiting");
    await world.tick();
    expect(world.run().status).toBe("dispatched");
  });
});

describe("a removed module", () => {
  it("has its runs followed to the end of their attempt, and no new one started", async () => {
    const world = await withRun();
    const without = world.makeReplica({ modules: new Map() });
    world.cluster.fail(world.jobName());
    await without.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    world.clock.advance(3_600_000);
    await without.tick();
    expect(world.cluster.creates).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ waiting: { "module-removed": 1 } });
  });

  it("has its runs closed and their messages settled", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.makeReplica({ modules: new Map() }).tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});
