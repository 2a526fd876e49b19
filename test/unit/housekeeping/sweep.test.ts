import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { makeWorld, RETRY, SOURCE, ticks, withRun } from "../../support/world.ts";

const TRACED = {
  correlationId: "order-7",
  subject: "image.uploaded",
  ttlMs: 3_600_000,
  properties: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
};

describe("the sweep", () => {
  it("rebuilds a lost row from the message's stamp, with the attempt that the stamp and the Jobs tell", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.table.forget(world.run());
    await world.tick();
    expect(world.lines.map(({ message }) => message)).toContain("rebuilt a lost row from its message");
    await ticks(world, () => world.open()[0]?.status === "dispatched");
    expect(world.run().attempt).toBe(2);
  });

  it.each([
    { what: "was renamed", modules: [aModule({ name: "thumbnails-v2", retry: RETRY })] },
    { what: "takes other messages now", modules: [aModule({ retry: RETRY, when: { subject: "other" } })] },
  ])("follows the Job of a lost row whose module $what, and starts no second one", async ({ modules }) => {
    const world = await withRun();
    const job = world.jobName();
    const replica = world.makeReplica({ modules: new Map(modules.map((module) => [module.name, module])) });
    world.table.forget(world.run());
    await ticks({ ...world, tick: replica.tick }, () => false, 10_000, 6);
    expect(world.cluster.names()).toEqual([job]);
    expect(world.run()).toMatchObject({ module: "thumbnail", attempt: 1, jobName: job });
    world.cluster.succeed(job);
    await ticks({ ...world, tick: replica.tick }, () => world.open().length === 0);
    expect(world.message(1).state).toBe("completed");
  });

  it("takes no other run's Job for that of a lost row, though its name ends alike", async () => {
    const world = await withRun();
    const run = world.run();
    const other = world.cluster.job(world.jobName());
    const annotations = { ...other.metadata?.annotations, "ion/enqueued-ms": String(run.enqueuedAt + 1) };
    other.metadata = { ...other.metadata, annotations };
    const renamed = aModule({ name: "thumbnails-v2", retry: RETRY });
    world.table.forget(run);
    await ticks(
      { ...world, tick: world.makeReplica({ modules: new Map([[renamed.name, renamed]]) }).tick },
      () => false,
      10_000,
      2,
    );
    expect(world.run()).toMatchObject({ module: "thumbnails-v2", attempt: 1 });
  });

  it("rebuilds a row with the message's own fields, the sender's trace included", async () => {
    const world = makeWorld();
    await world.send(TRACED);
    const before = world.run();
    world.table.forget(before);
    await world.tick();
    const { traceparent, correlationId, subject, messageId, expiresAt } = before;
    expect(traceparent).toBe(TRACED.properties.traceparent);
    expect(world.run()).toMatchObject({ traceparent, correlationId, subject, messageId, expiresAt });
  });

  it("reports deferred messages with the stamp of another owner, and leaves them alone", async () => {
    const world = makeWorld();
    const { lockToken } = world.broker.deliver(SOURCE, { messageId: "theirs", body: Buffer.from("x") });
    await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "owner-2" });
    await world.tick();
    expect(world.open()).toHaveLength(0);
    expect(world.lastTick()).toMatchObject({ orphans: 1 });
    expect(world.message(1).state).toBe("deferred");
  });

  it.each([-1, 0, 2_001, 99_999, 1.5, Number.NaN, "many", null])(
    "does not believe a forged attempt number: %s",
    async (forged) => {
      const world = await withRun(makeWorld());
      world.table.forget(world.run());
      await world.broker.requeueDeferred(
        { source: SOURCE, sequenceNumber: 1, enqueuedAt: aRun().enqueuedAt },
        { "dispatcher-attempt": forged },
      );
      await world.tick();
      expect(world.run().attempt).toBe(1);
    },
  );

  it("believes more attempts than the budgets allow, because a tripped module's are free, and leaves one try", async () => {
    const world = await withRun();
    const run = world.run();
    world.table.forget(run);
    await world.broker.requeueDeferred(run, { "dispatcher-attempt": 30 });
    await world.tick();
    expect(world.run()).toMatchObject({ attempt: 30, failures: RETRY.maxAttempts - 1, interruptions: 0 });
  });

  it("does not touch a message whose run was closed while it read the page", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    // The page still shows the message. When the sweep looks up its row, the message is settled and the run closed.
    const page = await world.broker.browse(SOURCE, 0, 50);
    await world.makeReplica({ broker: { ...world.broker, browse: () => Promise.resolve(page) } }).tick();
    expect(world.closed()).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ orphans: 0 });
  });

  it("settles a deferred message whose run is closed", async () => {
    const world = await withRun();
    const found = await world.table.find(world.run());
    if (found.kind === "open")
      await world.table.close(found.stored, {
        ...found.stored.run,
        status: "succeeded",
        verdict: { outcome: "succeeded" },
        closedAt: world.clock.now(),
      });
    await world.tick();
    expect(world.message(1).state).toBe("completed");
  });
});
