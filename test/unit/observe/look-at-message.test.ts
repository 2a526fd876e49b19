import { describe, expect, it } from "vitest";
import { lookAtMessage } from "../../../shared/observe/look-at-message.ts";
import type { MessageBroker } from "../../../shared/ports/message-broker.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { LOCK_MS, makeWorld, SOURCE } from "../../support/world.ts";

/** Ticks once, `ageMs` after the first peek that missed a waiting run's message. Resolves to what became of the run. */
async function tickLater(ageMs: number | undefined, requeueDeferred: MessageBroker["requeueDeferred"]) {
  const module = aModule();
  const world = makeWorld([module]);
  const absentSince = world.clock.now();
  await world.table.registerSource(SOURCE);
  await world.table.insert(
    aRun({ status: "waiting", module: module.name, ...(ageMs === undefined ? {} : { absentSince }) }),
  );
  world.clock.advance(ageMs ?? 0);
  let asked = 0;
  const broker: MessageBroker = {
    ...world.broker,
    peek: () => Promise.resolve(undefined),
    requeueDeferred: (key, stamp) => {
      asked += 1;
      return requeueDeferred(key, stamp);
    },
  };
  await world.makeReplica({ broker }).tick();
  const [closed] = world.closed();
  return {
    asked,
    became: closed?.status ?? "open",
    failed: world.lastTick()?.["failed"],
    now: world.clock.now(),
    world,
  };
}

describe("a message that no peek shows", () => {
  const missing = () => Promise.resolve("missing" as const);

  it("is absent at the first miss, and the broker is not asked for it by number", async () => {
    const { asked, became, now, world } = await tickLater(undefined, missing);
    expect([asked, became]).toEqual([0, "open"]);
    expect(world.run().absentSince).toBe(now);
    // Most such messages are there at the next look.
    const lines = world.lines.filter(({ message }) => String(message).includes("not to be seen on the bus"));
    expect(lines).toMatchObject([{ level: "info" }]);
  });

  it("is absent until a lock duration has passed", async () => {
    expect(await tickLater(LOCK_MS - 1, missing)).toMatchObject({ asked: 0, became: "open" });
  });

  it("is gone after that, if the broker says MessageNotFound too", async () => {
    expect(await tickLater(LOCK_MS, missing)).toMatchObject({ asked: 1, became: "lost" });
  });

  it("is not gone if the broker can hand it out, and the doubt begins anew", async () => {
    const { asked, became, now, world } = await tickLater(LOCK_MS, () => Promise.resolve("done"));
    expect([asked, became]).toEqual([1, "open"]);
    expect(world.run().absentSince).toBe(now);
  });

  it("is not judged if the broker does not answer", async () => {
    const answer = await tickLater(LOCK_MS, () => Promise.reject(new Error("no answer")));
    expect(answer).toMatchObject({ asked: 1, became: "open", failed: 1 });
  });
});

describe("a message that is deferred", () => {
  it.each([
    { owner: "this instance", stamp: { "dispatcher-owner": "owner-1" }, message: "deferred" },
    { owner: "nobody, because the stamp had no space", stamp: {}, message: "deferred" },
    { owner: "nobody, because a forged one was emptied", stamp: { "dispatcher-owner": "" }, message: "deferred" },
    { owner: "another instance", stamp: { "dispatcher-owner": "owner-2" }, message: "foreign" },
  ])("has the stamp of $owner", async ({ stamp, message }) => {
    const world = makeWorld();
    await world.table.owner();
    const delivery = world.broker.deliver(SOURCE);
    await world.broker.defer(SOURCE, delivery.lockToken, stamp);
    expect(await lookAtMessage(world.deps, delivery)).toMatchObject({ message });
  });

  it("is another instance's if it has an owner, and this instance has none yet, and none is made", async () => {
    const world = makeWorld();
    const delivery = world.broker.deliver(SOURCE);
    await world.broker.defer(SOURCE, delivery.lockToken, { "dispatcher-owner": "owner-1" });
    expect(await lookAtMessage(world.deps, delivery)).toMatchObject({ message: "foreign" });
    expect(await world.table.knownOwner()).toBeUndefined();
  });
});
