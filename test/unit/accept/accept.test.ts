import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { T0 } from "../../support/a-run.ts";
import { openRuns } from "../../support/open-runs.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks } from "../../support/world.ts";

describe("accept", () => {
  it("inserts the row, defers the message, creates the Job and updates the row, in this order", async () => {
    const world = makeWorld();
    const steps: string[] = [];
    world.table.beforeNext("insert", () => steps.push("row"));
    world.broker.beforeNext("defer", () => steps.push(`defer after ${world.run().status}`));
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = (job) => {
      steps.push(`job while ${world.message(1).state}`);
      return create(job);
    };
    world.table.beforeNext("update", () => steps.push("row again"));
    expect((await world.send()).outcome).toBe("dispatched");
    expect(steps).toEqual(["row", "defer after accepted", "job while deferred", "row again"]);
  });

  it("leaves an accepted row behind if the defer fails, and goes on at the next delivery", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    expect((await world.send()).outcome).toBe("left");
    expect(world.run()).toMatchObject({ status: "accepted" });
    expect(world.cluster.creates).toHaveLength(0);
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("stamps the table's owner and the attempt on the message that it defers, over any value of the sender's", async () => {
    const world = makeWorld();
    await world.send({ properties: { "dispatcher-owner": "me", "dispatcher-attempt": 4 } });
    expect(world.message(1)).toMatchObject({
      state: "deferred",
      properties: { "dispatcher-owner": "owner-1", "dispatcher-attempt": 1 },
    });
  });

  it("rejects a message whose body can't be decoded, with the lock token of its delivery", async () => {
    const world = makeWorld();
    expect((await world.send({ body: "", bodyUnreadable: true })).outcome).toBe("rejected");
    expect(world.message(1).letter).toMatchObject({
      reason: "DispatchRejected",
      description: expect.stringContaining("the message is AMQP that can't be decoded"),
    });
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("starts no Job for a deferred message whose body can't be decoded, even if another receiver deferred it", async () => {
    const world = makeWorld();
    const { lockToken } = world.broker.deliver(SOURCE, { body: "", bodyUnreadable: true });
    await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "owner-1" });
    await ticks(world, () => world.message(1).letter !== undefined);
    expect(world.message(1).letter?.reason).toBe("JobNotStarted");
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("starts one Job for two deliveries of one message", async () => {
    const world = makeWorld();
    const { lockToken, sequenceNumber } = world.broker.deliver(SOURCE, { messageId: "m", body: Buffer.from("x") });
    const outcomes = await Promise.all([
      world.accept({ sequenceNumber, lockToken }),
      world.makeReplica().accept({ sequenceNumber, lockToken }),
    ]);
    expect(outcomes).toContain("dispatched");
    expect(world.open()).toHaveLength(1);
    expect(world.cluster.names()).toHaveLength(1);
  });

  it("starts two Jobs for two messages with one id", async () => {
    const world = makeWorld();
    await world.send({ messageId: "twin" });
    await world.send({ messageId: "twin" });
    expect(world.cluster.names()).toHaveLength(2);
  });

  it("settles a message as the row says if its run is closed, and does not accept it again", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    await world.send();
    const found = await world.table.find(world.run());
    if (found.kind !== "open") throw new Error("the run is not open");
    const verdict = { outcome: "succeeded" } as const;
    await world.table.close(found.stored, { ...found.stored.run, status: "succeeded", verdict, closedAt: T0 });
    expect(await world.accept(world.redeliver())).toBe("settled");
    expect(world.cluster.creates).toHaveLength(0);
    expect(world.message(1).state).toBe("completed");
  });

  it("takes a message with a known number and another enqueued time for another message, of a recreated entity", async () => {
    const world = makeWorld();
    await world.send();
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    world.broker.recreate(SOURCE);
    world.clock.advance(1_000);
    const second = await world.send();
    expect(second.sequenceNumber).toBe(1);
    expect(second.outcome).toBe("dispatched");
    expect(world.cluster.names()).toHaveLength(2);
  });

  it("starts a message although an open run of the entity's previous incarnation has its number", async () => {
    const world = makeWorld();
    await world.send();
    world.broker.recreate(SOURCE);
    world.clock.advance(1_000);
    expect((await world.send()).outcome).toBe("dispatched");
    expect(world.cluster.names()).toHaveLength(2);
    expect(world.open()).toHaveLength(2);
  });

  it("rejects a message that fits no module, with a reason, and creates no Job", async () => {
    const world = makeWorld([aModule({ when: { subject: "image.uploaded" } })]);
    expect((await world.send({ subject: "other" })).outcome).toBe("rejected");
    expect(world.message(1)).toMatchObject({
      state: "dead-lettered",
      letter: { reason: "DispatchRejected" },
    });
    expect(world.closed()).toMatchObject([{ status: "rejected" }]);
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("names the JSON pointer if it rejects a body that breaks its schema", async () => {
    const schema = { type: "object", properties: { width: { type: "integer" } } };
    const world = makeWorld([aModule({ schema })]);
    await world.send({ body: Buffer.from('{"width":"wide"}') });
    expect(world.message(1).letter?.description).toContain("/width");
  });

  it("carries out a rejection that was cut off, with the lock token of the next delivery", async () => {
    const world = makeWorld([aModule({ when: { subject: "x" } })]);
    world.broker.failNext("deadLetterLocked");
    expect((await world.send()).outcome).toBe("left");
    expect(world.run()).toMatchObject({ status: "settling", verdict: { outcome: "rejected" } });
    expect(await world.accept(world.redeliver())).toBe("rejected");
    expect(world.message(1)).toMatchObject({ state: "dead-lettered" });
    expect(world.closed()).toHaveLength(1);
  });

  it("never routes an accepted message again by newer module files", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    await world.send();
    const stricter = aModule({ retry: RETRY, when: { subject: "something else" } });
    const newer = world.makeReplica({ modules: new Map([[stricter.name, stricter]]) });
    expect(await newer.accept(world.redeliver())).toBe("dispatched");
  });

  it("leaves a row that waits if the module has no free slot", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    expect((await world.send()).outcome).toBe("dispatched");
    expect((await world.send()).outcome).toBe("waiting");
    expect(world.open().map(({ status }) => status)).toEqual(["dispatched", "waiting"]);
  });

  it("leaves a deferred message to the tick if the cluster does not answer, and throws nothing", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    expect((await world.send()).outcome).toBe("deferred");
    world.clock.advance(20_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it.each(["peek", "defer"] as const)("returns if the bus fails at %s, so that the lock lapses", async (method) => {
    const world = makeWorld();
    world.broker.failNext(method);
    expect((await world.send()).outcome).toBe("left");
  });

  it.each(["insert", "registerSource", "owner"] as const)("returns if the table fails at %s", async (method) => {
    const world = makeWorld();
    world.table.failNext(method);
    expect((await world.send()).outcome).toBe("left");
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    expect(world.cluster.names()).toHaveLength(1);
  });

  it("returns after a bug too, and logs its stack", async () => {
    const world = makeWorld();
    world.table.failNext("insert", new TypeError("x is not a function"));
    expect((await world.send()).outcome).toBe("left");
    expect(world.lines.find(({ level }) => level === "error")?.["stack"]).toContain("TypeError");
  });

  it.each(["insert", "update"] as const)("adopts its own work if the reply of %s was lost", async (method) => {
    const world = makeWorld();
    world.table.loseNextReply(method);
    await world.send();
    if (world.message(1).state !== "deferred") await world.accept(world.redeliver());
    await world.tick();
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(world.cluster.names()).toHaveLength(1);
  });

  it("does not start a Job from a row that it read more than a minute ago, and that has changed since", async () => {
    const world = makeWorld();
    // The replica is frozen for a minute between its defer and its create.
    world.broker.beforeNext("defer", async () => {
      world.clock.advance(61_000);
      const [stored] = await openRuns(world.table, SOURCE);
      if (stored) await world.table.update(stored, { ...stored.run, interruptions: 1 });
    });
    world.broker.lapseLocks = () => undefined;
    const { outcome } = await world.send();
    expect(outcome).not.toBe("dispatched");
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("reopens a run that was closed as lost if its message is delivered again", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    await world.send();
    world.hide(1);
    await world.tick();
    for (let tick = 0; tick < 4; tick += 1) {
      world.clock.advance(LOCK_MS);
      await world.tick();
    }
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
    world.show(1);
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    expect(world.open()).toHaveLength(1);
  });
});
