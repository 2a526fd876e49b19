import { describe, expect, it } from "vitest";
import { fitsInline } from "../../../shared/jobs/job-spec.ts";
import { rebuildRun } from "../../../shared/observe/rebuild-run.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, type World, withRun } from "../../support/world.ts";

/** The annotation from which the pod of the latest Job reads its properties. */
const propertiesOf = (world: World) =>
  world.cluster.creates.at(-1)?.spec?.template.metadata?.annotations?.["ion/properties"];

async function untilStarted(world: World, attempt: number): Promise<void> {
  for (let tick = 0; tick < 10 && world.open()[0]?.attempt !== attempt; tick += 1) await world.tick();
  world.clock.advance(10_000);
  await world.tick();
  expect(world.run()).toMatchObject({ status: "dispatched", attempt });
}

describe("the message that an attempt gets", () => {
  it("is the same for the second as for the first, because it lacks the Dispatcher's own stamps", async () => {
    const world = makeWorld();
    await world.send({ properties: { tenant: "acme" } });
    const first = propertiesOf(world);
    world.cluster.run(world.jobName());
    world.cluster.fail(world.jobName());
    await untilStarted(world, 2);
    expect(world.message(1).properties).toHaveProperty("dispatcher-last-error");
    expect(propertiesOf(world)).toBe(first);
  });

  it("fits into the second Job if it fitted into the first, so that no blob is left behind", async () => {
    const world = makeWorld();
    // The body is as large as it can be without a blob.
    let size = 16_384;
    const message = { messageId: "m-1", sequenceNumber: 1, enqueuedAt: world.clock.now(), properties: {} };
    while (!fitsInline({ ...message, state: "active", body: Buffer.alloc(size, "x") })) size -= 1;
    await world.send({ body: "x".repeat(size) });
    world.cluster.run(world.jobName());
    world.cluster.fail(world.jobName());
    await untilStarted(world, 2);
    expect(world.payloads.bodies.size).toBe(0);
  });
});

describe("the body's blob", () => {
  it("is not made for a message that is rejected", async () => {
    const world = makeWorld([aModule({ when: { subject: "mine" } })]);
    await world.send({ body: "x".repeat(20_000) });
    expect(world.closed()).toMatchObject([{ status: "rejected" }]);
    expect(world.payloads.bodies.size).toBe(0);
  });

  it("is deleted although a delivery's lock token is used to settle its message", async () => {
    const world = makeWorld();
    // The API server refuses its Job, and the message is delivered again before a tick settles it.
    world.cluster.refuseNext();
    world.broker.beforeNext("defer", () => undefined);
    const delivery = world.broker.deliver({ queue: "thumbnails" }, { body: "x".repeat(20_000) });
    const active = { ...world.broker, defer: () => Promise.resolve() };
    await world.makeReplica({ broker: active }).accept(delivery);
    expect(world.run()).toMatchObject({ status: "settling", verdict: { reason: "JobNotStarted" } });
    await world.accept(world.redeliver());
    expect(world.message(1).state).toBe("dead-lettered");
    for (let tick = 0; tick < 5; tick += 1) {
      world.clock.advance(60_000);
      await world.tick();
    }
    expect(world.open()).toHaveLength(0);
    expect(world.payloads.bodies.size).toBe(0);
  });

  it("is deleted although a replica that slept stored it again after the run closed", async () => {
    const world = makeWorld();
    world.payloads.beforeNext("putBody", async () => {
      world.clock.advance(20_000);
      const other = world.makeReplica();
      await other.tick();
      world.cluster.succeed(world.jobName());
      await other.tick();
      expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    });
    await world.send({ body: "x".repeat(20_000) });
    expect(world.payloads.bodies.size).toBe(1);
    await world.tick();
    expect(world.payloads.bodies.size).toBe(0);
  });

  it("keeps its run open until it is deleted", async () => {
    const world = makeWorld();
    await world.send({ body: "x".repeat(20_000) });
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    world.payloads.failNext("deleteBody");
    for (let tick = 0; tick < 5; tick += 1) {
      await world.tick();
      world.clock.advance(60_000);
    }
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.payloads.bodies.size).toBe(0);
  });
});

describe("the URL of a body", () => {
  it("is valid for a week beyond the time that its pod may run, because a Job may wait for days", async () => {
    const module = aModule({ retry: RETRY });
    const world = makeWorld([module]);
    await world.send({ body: "x".repeat(20_000) });
    const annotations = world.cluster.creates[0]?.spec?.template.metadata?.annotations ?? {};
    const until = Number(new URL(annotations["ion/message-url"] ?? "").searchParams.get("until"));
    expect(until - world.clock.now()).toBe(module.maxRunningTimeMs + 7 * 86_400_000);
  });
});

describe("the signature of a body's URL", () => {
  const SIGNED = "https://payloads.test/body?sv=2022&sig=s3cr3t%2B";

  it("stays out of logs, rows and dead letters if a worker prints it", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 2 } })]);
    await world.send({ body: "x".repeat(20_000) });
    for (const attempt of [1, 2]) {
      if (attempt === 2) await untilStarted(world, 2);
      world.cluster.run(world.jobName());
      world.cluster.fail(world.jobName(), 22, { message: `curl: (22) ${SIGNED} returned 403` });
      await world.tick();
    }
    expect(world.message(1).letter?.description).toContain("returned 403");
    const seen = [world.lines, world.closed(), world.message(1).letter, world.message(1).properties];
    expect(JSON.stringify(seen)).not.toContain("s3cr3t");
  });

  it("is in no log line of an ordinary run", async () => {
    const world = makeWorld();
    await world.send({ body: "x".repeat(20_000) });
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    expect(JSON.stringify(world.lines)).not.toContain("secret");
  });
});

describe("with PAYLOADS=identity, a body", () => {
  const aWorld = () => makeWorld([aModule({ retry: RETRY })], { bodyAccess: "identity" });
  const annotationsOf = (world: World) => world.cluster.creates.at(-1)?.spec?.template.metadata?.annotations ?? {};

  it.each([
    { what: "a small one", body: "for no eyes" },
    { what: "a large one", body: "for no eyes".repeat(2_000) },
  ])("is in the store alone, and its URL has no signature: $what", async ({ body }) => {
    const world = aWorld();
    await world.send({ body, subject: "a.subject" });
    expect([...world.payloads.bodies.values()].map((bytes) => Buffer.from(bytes).toString())).toEqual([body]);
    expect(annotationsOf(world)["ion/message-url"]).toMatch(/^https:\/\/payloads\.test\/[^?]+\/body$/);
    const job = JSON.stringify(world.cluster.creates);
    expect(job).not.toContain("for no eyes");
    expect(job).not.toContain("sig=");
    // What the sender wrote beside the body still stands in the Job.
    expect(annotationsOf(world)["ion/properties"]).toContain("a.subject");
  });

  it("is deleted when its run is closed", async () => {
    const world = await withRun(aWorld());
    expect(world.run().bodyInBlob).toBe(true);
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.payloads.bodies.size).toBe(0);
  });

  it("is deleted with a run that was rebuilt", async () => {
    const world = await withRun(aWorld());
    const run = await rebuildRun(
      world.deps,
      world.run(),
      { ...world.message(1), state: "deferred" },
      { jobs: new Map() },
    );
    expect(run?.bodyInBlob).toBe(true);
  });

  it("is deleted though its run began before the setting was changed", async () => {
    const world = await withRun(makeWorld());
    world.cluster.fail(world.jobName());
    const changed = world.makeReplica({ bodyAccess: "identity" });
    for (let tick = 0; tick < 10 && world.payloads.bodies.size === 0; tick += 1) {
      world.clock.advance(5_000);
      await changed.tick();
    }
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2, bodyInBlob: true });
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await changed.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.payloads.bodies.size).toBe(0);
  });
});
