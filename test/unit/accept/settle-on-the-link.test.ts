import { describe, expect, it } from "vitest";
import { LockLostError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

const DOUBT = "a settlement on the receive link is in doubt";
const onTheLink = () => makeWorld([aModule({ retry: RETRY, when: { subject: "mine" } })], {}, "with a link");
const MINE = { subject: "mine" };

/** Lets the management link say that the lock is gone. */
function loseLock({ broker }: World): void {
  broker.failNext("defer", new LockLostError("the lock on the message is lost"));
}

/** Expects that a delivery was left in doubt: no Job, and nothing done to the message but what was asked first. */
function expectLeft(world: World): void {
  expect(world.cluster.creates).toHaveLength(0);
  expect(world.run().status).toBe("accepted");
  expect(world.message(1)).toMatchObject({ state: "active", properties: {} });
}

describe("a delivery on the link that brought it", () => {
  it("is taken as it came and deferred there, without another request to the bus", async () => {
    const world = onTheLink();
    for (const method of ["peek", "browse", "defer", "completeLocked", "deadLetterLocked"] as const)
      world.broker.failNext(method);
    expect((await world.send({ ...MINE, body: "as it came" })).outcome).toBe("dispatched");
    expect(world.message(1)).toMatchObject({ state: "deferred", properties: { "dispatcher-owner": "owner-1" } });
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("is dead-lettered there if no Job can ever work on it", async () => {
    const world = onTheLink();
    world.broker.failNext("deadLetterLocked");
    expect((await world.send()).outcome).toBe("rejected");
    expect(world.message(1).letter?.reason).toBe("DispatchRejected");
  });

  it("goes to the management link if the host settles nothing, and says so in no line of its own", async () => {
    const world = makeWorld();
    expect((await world.send()).outcome).toBe("dispatched");
    expect(world.lines.filter(({ message }) => message === DOUBT)).toEqual([]);
  });
});

describe("a deferral that is in doubt", () => {
  it("is asked for again over the management link, which is as good", async () => {
    const world = onTheLink();
    world.broker.hostLink.failNext("defer", new Error("the connection was closed"));
    expect((await world.send(MINE)).outcome).toBe("dispatched");
    expect(world.message(1)).toMatchObject({ state: "deferred", deliveryCount: 1 });
    expect(world.lines).toContainEqual(
      expect.objectContaining({ level: "warn", message: DOUBT, why: "the connection was closed" }),
    );
  });

  it("is known if the lock is gone and a peek shows the message deferred", async () => {
    const world = onTheLink();
    world.broker.hostLink.loseNextReply("defer");
    expect((await world.send(MINE)).outcome).toBe("dispatched");
    expect(world.message(1)).toMatchObject({ state: "deferred", deliveryCount: 1 });
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("is known so in a host without a link too", async () => {
    const world = makeWorld();
    world.broker.loseNextReply("defer", new LockLostError("the lock on the message is lost"));
    expect((await world.send()).outcome).toBe("dispatched");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("is left if the lock is gone and the message still active, and the next delivery goes on", async () => {
    const world = onTheLink();
    world.broker.hostLink.failNext("defer");
    loseLock(world);
    expect((await world.send(MINE)).outcome).toBe("left");
    expectLeft(world);
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("is left if the bus is away, and the timer starts its Job when a peek shows it deferred", async () => {
    const world = onTheLink();
    world.broker.hostLink.loseNextReply("defer");
    world.broker.failNext("defer");
    expect((await world.send(MINE)).outcome).toBe("left");
    expect(world.cluster.creates).toHaveLength(0);
    await ticks(world, () => world.cluster.creates.length > 0);
    expect(world.run().status).toBe("dispatched");
  });

  it("is left if no peek can tell", async () => {
    const world = onTheLink();
    world.broker.hostLink.failNext("defer");
    loseLock(world);
    world.broker.failNext("peek");
    expect((await world.send(MINE)).outcome).toBe("left");
    expectLeft(world);
  });

  it("is left if the peek shows another message with its number, in an entity that was created again", async () => {
    const world = onTheLink();
    world.broker.hostLink.failNext("defer");
    loseLock(world);
    world.broker.beforeNext("peek", async () => {
      world.clock.advance(1_000);
      world.broker.recreate(SOURCE);
      const { lockToken } = world.broker.deliver(SOURCE, MINE);
      await world.broker.defer(SOURCE, lockToken, {});
    });
    expect((await world.send(MINE)).outcome).toBe("left");
    expect(world.cluster.creates).toHaveLength(0);
  });
});

describe("a dead-lettering that is in doubt", () => {
  it("is asked for again over the management link", async () => {
    const world = onTheLink();
    world.broker.hostLink.failNext("deadLetter");
    expect((await world.send()).outcome).toBe("rejected");
    expect(world.message(1).letter?.reason).toBe("DispatchRejected");
    expect(world.closed()).toHaveLength(1);
  });

  it("is left if it may have taken effect, and the timer closes the run", async () => {
    const world = onTheLink();
    world.broker.hostLink.loseNextReply("deadLetter");
    expect((await world.send()).outcome).toBe("left");
    expect(world.run().status).toBe("settling");
    await ticks(world, () => world.closed().length > 0, 60_000);
    expect(world.closed()).toMatchObject([{ status: "rejected" }]);
    expect(world.message(1).letter?.reason).toBe("DispatchRejected");
  });
});
