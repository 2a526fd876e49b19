import { describe, expect, it } from "vitest";
import { DeniedError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, ticks, withRun } from "../../support/world.ts";

describe("the outcome of a Job settles its message", () => {
  it("completes it after a success, in one tick", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 1 }]);
  });

  it("requeues it with a stamp after a failure, and starts attempt 2 after the back-off", async () => {
    const world = await withRun();
    const first = world.jobName();
    world.cluster.fail(first, 3, { message: "no space left" });
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
    expect(world.message(1)).toMatchObject({
      state: "deferred",
      properties: { "dispatcher-attempt": 2, "dispatcher-job": first },
    });
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.jobName()).not.toBe(first);
    expect(world.cluster.names()).toContain(first);
  });

  it("starts no attempt before the back-off is over", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    await world.tick();
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("dead-letters it with the facts once the attempts are used up", async () => {
    const world = await withRun();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await ticks(world, () => world.open()[0]?.status === "dispatched" && world.open()[0]?.attempt === attempt);
      world.cluster.fail(world.jobName(), 3, { message: "no space left" });
    }
    await world.tick();
    const { letter } = world.message(1);
    expect(letter).toMatchObject({
      reason: "JobFailed",
      properties: { "dispatcher-exit-code": 3, "dispatcher-attempt": 3, "dispatcher-module": "thumbnail" },
    });
    expect(letter?.description).toMatch(/^Job \S+, attempt 3 of 3: .*no space left/);
    expect(world.closed()).toMatchObject([{ status: "failed", failures: 3 }]);
  });

  it("dead-letters it at once after a permanent exit code", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 64);
    await world.tick();
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "JobFailed" } });
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("calls a Job that ran too long timed out", async () => {
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 1 } })]));
    world.cluster.timeOut(world.jobName());
    await world.tick();
    expect(world.message(1).letter?.reason).toBe("JobTimedOut");
  });

  it("charges no failure for an eviction, a deleted pod, or a deleted Job", async () => {
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, maxInterruptions: 5 } })]));
    for (const interrupt of ["evict", "deletePod", "deleteJob"] as const) {
      await ticks(world, () => world.run().status === "dispatched");
      world.cluster[interrupt](world.jobName());
      await world.tick();
    }
    expect(world.run()).toMatchObject({ failures: 0, interruptions: 3, attempt: 4 });
  });

  it("dead-letters it if the cluster interrupts too often", async () => {
    const world = await withRun();
    for (let count = 0; count < 3; count += 1) {
      await ticks(world, () => world.open()[0]?.status === "dispatched");
      world.cluster.evict(world.jobName());
      await world.tick();
    }
    expect(world.message(1).letter?.reason).toBe("InterruptedTooOften");
  });

  it("ends a Job that can't pull its image after the grace period, by its deadline and not by a delete", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 1 } })]);
    await world.send();
    const name = world.jobName();
    world.cluster.stick(name, "ErrImagePull", "no such image");
    await world.tick();
    expect(world.run().status).toBe("dispatched");
    world.clock.advance(31_000);
    await world.tick();
    expect(world.run().endOrdered).toMatchObject({ reason: "JobNotStarted" });
    expect(world.cluster.names()).toContain(name);
    await ticks(world, () => world.open().length === 0);
    const { letter } = world.message(1);
    expect(letter?.reason).toBe("JobNotStarted");
    expect(letter?.description).toContain("no such image");
  });

  it("does not look at a Job without a pod until it is late to start, because thousands may wait for a pod", async () => {
    const world = makeWorld([aModule({ startTimeoutMs: 600_000, retry: { ...RETRY, maxAttempts: 1 } })]);
    await world.send();
    world.cluster.withholdPod(world.jobName(), "pods is forbidden: no such ServiceAccount");
    const asked = () => (["get", "pods", "events"] as const).map((method) => world.cluster.calls.get(method) ?? 0);
    const before = asked();
    world.clock.advance(599_000);
    await world.tick();
    expect(asked()).toEqual(before);
    world.clock.advance(2_000);
    await ticks(world, () => world.open().length === 0);
    expect(world.message(1).letter?.description).toContain("no such ServiceAccount");
  });

  it("does not ask for the events of a Job that has a pod", async () => {
    const world = await withRun();
    world.cluster.stick(world.jobName(), "ErrImagePull", "no such image");
    await world.tick();
    world.clock.advance(31_000);
    await world.tick();
    expect(world.run().endOrdered).toMatchObject({ reason: "JobNotStarted" });
    expect(world.cluster.calls.get("events")).toBeUndefined();
  });

  it("cancels by the Job's label", async () => {
    const world = await withRun();
    world.cluster.cancel(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("waits for a suspended Job", async () => {
    const world = await withRun();
    world.cluster.suspend(world.jobName());
    world.clock.advance(24 * 3_600_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("dead-letters the message of a Job that the API server refuses, in its words, and goes on with the others", async () => {
    const world = makeWorld();
    world.cluster.refuseNext("spec.template: Invalid value");
    await world.send();
    await world.send({ messageId: "m-2" });
    await world.tick();
    expect(world.message(1).letter).toMatchObject({ reason: "JobNotStarted" });
    expect(world.message(1).letter?.description).toContain("spec.template: Invalid value");
    expect(world.run()).toMatchObject({ messageId: "m-2", status: "dispatched" });
  });

  it("waits while the quota is full, and charges no attempt", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    expect((await world.send()).outcome).toBe("waiting");
    world.cluster.quotaNext();
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 1, failures: 0, interruptions: 0 });
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run().attempt).toBe(1);
  });
});

describe("a finished attempt", () => {
  it("has its Job retired by one patch, with a TTL from its finish on, as the tombstone of its name", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.clock.advance(60_000);
    await world.tick();
    expect(world.cluster.job(name).metadata?.labels?.["ion/retired"]).toBe("true");
    expect(world.cluster.job(name).spec?.ttlSecondsAfterFinished).toBe(3_660);
    expect(world.cluster.calls.get("retire")).toBe(1);
  });

  it("closes its run although a policy denies the patch that would retire its Job", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.failNext("retire", new DeniedError("admission webhook denied the request"));
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.cluster.job(name).spec?.ttlSecondsAfterFinished).toBeUndefined();
    // Housekeeping tries the patch again until the policy lets it.
    for (let tick = 0; tick < 3; tick += 1) await world.tick();
    expect(world.cluster.job(name).metadata?.labels?.["ion/retired"]).toBe("true");
  });

  it("leaves its run open if a policy denies the patch of a Job that may still run", async () => {
    const world = await withRun();
    world.cluster.suspend(world.jobName());
    world.cluster.cancel(world.jobName());
    world.cluster.failNext("endSuspended");
    world.cluster.failNext("retire", new DeniedError("admission webhook denied the request"));
    await world.tick();
    expect(world.closed()).toEqual([]);
  });

  it("has its log stored, and the dead letter links to it", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "line 1\nline 2\n");
    world.cluster.fail(world.jobName(), 64);
    await world.tick();
    const url = world.message(1).letter?.properties["dispatcher-logs"];
    expect(Buffer.from(world.payloads.logs.get(String(url)) ?? []).toString()).toBe("line 1\nline 2\n");
  });

  it("keeps the link to its log although the replica dies just after it retired the Job", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "line\n");
    world.cluster.fail(world.jobName(), 64);
    world.cluster.loseNextReply("retire");
    await world.tick();
    expect(world.run().status).toBe("settling");
    await world.tick();
    expect(world.message(1).letter?.properties["dispatcher-logs"]).toMatch(/worker\.log$/);
  });

  it("closes its run although its log can't be stored", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "line\n");
    world.payloads.failNext("putLog");
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    expect(world.lines.map(({ message }) => message)).toContain("a log could not be stored");
  });

  it("has its body's blob deleted when the run closes", async () => {
    const world = makeWorld();
    await world.send({ body: Buffer.alloc(20_000, "x") });
    expect(world.payloads.bodies.size).toBe(1);
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.payloads.bodies.size).toBe(0);
  });
});

describe("maxActive", () => {
  it("lets the oldest run start first when a slot comes free", async () => {
    const world = makeWorld([aModule({ maxActive: 1, retry: RETRY })]);
    for (const messageId of ["a", "b", "c"]) await world.send({ messageId });
    const order: string[] = [];
    await ticks(world, () => {
      const running = world.open().find(({ status }) => status === "dispatched");
      if (running) {
        order.push(running.messageId);
        world.cluster.succeed(running.jobName ?? "");
      }
      return world.open().length === 0;
    });
    expect(order).toEqual(["a", "b", "c"]);
  });
});
