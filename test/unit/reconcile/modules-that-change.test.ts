import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, withRun } from "../../support/world.ts";

const ELSEWHERE = aModule({ retry: RETRY, source: { queue: "others" } });
const MOVED = { modules: new Map([[ELSEWHERE.name, ELSEWHERE]]) };

describe("a module that takes its messages from another source now", () => {
  it("starts no attempt for the runs of the old one, but follows and settles them", async () => {
    const world = makeWorld();
    await world.send();
    await world.send({ messageId: "m-2" });
    const [first, second] = world.open().map(({ jobName }) => jobName ?? "");
    world.cluster.run(first ?? "");
    world.cluster.fail(first ?? "");
    world.cluster.succeed(second ?? "");
    const moved = world.makeProcess(MOVED);
    await moved.tick();
    world.clock.advance(60_000);
    await moved.tick();
    expect(world.closed()).toMatchObject([{ messageId: "m-2", status: "succeeded" }]);
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    expect(world.cluster.creates).toHaveLength(2);
    expect(world.lastTick()).toMatchObject({ waiting: { "module-removed": 1 } });
  });

  it("starts no Job for a message of the old one that was accepted and is delivered again", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    await world.send();
    expect(await world.makeProcess(MOVED).accept(world.redeliver())).toBe("waiting");
    expect(world.cluster.creates).toHaveLength(0);
  });
});

describe("a module whose limits change while its runs are open", () => {
  it("gives up by the newer number of attempts", async () => {
    const world = makeWorld();
    await world.send();
    world.cluster.run(world.jobName());
    world.cluster.fail(world.jobName());
    const strict = aModule({ retry: { ...RETRY, maxAttempts: 1 } });
    await world.makeProcess({ modules: new Map([[strict.name, strict]]) }).tick();
    expect(world.message(1).letter?.reason).toBe("JobFailed");
  });

  it("starts nothing more while it is paused, and goes on after that", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    await world.send();
    const paused = aModule({ retry: RETRY, maxActive: 0 });
    const process = world.makeProcess({ modules: new Map([[paused.name, paused]]) });
    world.clock.advance(60_000);
    await process.tick();
    expect(world.run().status).toBe("waiting");
    await world.tick();
    expect(world.run().status).toBe("dispatched");
  });
});

describe("modules that were removed", () => {
  it("follows their runs to the end, and starts nothing new", async () => {
    const world = await withRun();
    const without = world.makeProcess({ modules: new Map() });
    world.cluster.fail(world.jobName());
    await without.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    world.clock.advance(3_600_000);
    await without.tick();
    expect(world.cluster.creates).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ waiting: { "module-removed": 1 } });
  });

  it("settles their runs", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.makeProcess({ modules: new Map() }).tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});
