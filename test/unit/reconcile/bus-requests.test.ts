import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { watchPorts } from "../../support/watched-ports.ts";
import { type Host, makeWorld, RETRY, SOURCE } from "../../support/world.ts";

/** A little more than what was seen is believed for. */
const EVERY_MS = 10_100;

/** A world with one replica whose calls to the bus are noted. */
function watchedBus(host: Host, maxActive = 10) {
  const world = makeWorld([aModule({ retry: RETRY, maxActive })], {}, host);
  let calls: string[] = [];
  const ports = watchPorts(world.deps, (name, method) => {
    if (/^(broker|hostLink)\./.test(name)) calls.push(name);
    return method();
  });
  const replica = world.makeReplica(ports);
  return {
    world,
    replica,
    deliver: () => replica.accept(world.broker.deliver(SOURCE, { body: Buffer.from("{}") })),
    tick: async (): Promise<void> => {
      world.clock.advance(EVERY_MS);
      await replica.lightTick();
    },
    asked: (): readonly string[] => {
      const asked = calls;
      calls = [];
      return asked;
    },
  };
}

// docs/scaling.md says what these requests cost.
describe("what a message asks of the bus", () => {
  it("is a deferral and a settlement if it starts at once and succeeds", async () => {
    const { world, replica, deliver, tick, asked } = watchedBus("with a link");
    await deliver();
    world.cluster.run(world.jobName());
    for (let light = 0; light < 5; light += 1) await tick();
    expect(asked()).toEqual(["hostLink.defer"]);
    world.cluster.succeed(world.jobName());
    await replica.wake(world.jobName());
    expect([asked(), world.open()]).toEqual([["broker.completeDeferred"], []]);
  });

  it("is a peek more, when it arrives, if the host can't settle", async () => {
    const { deliver, asked } = watchedBus("without a link");
    await deliver();
    expect(asked()).toEqual(["broker.peek", "broker.defer"]);
  });

  it("is a peek more, before its Job is made, if it waits for a slot first, and nothing while it waits", async () => {
    const { world, replica, deliver, tick, asked } = watchedBus("with a link", 1);
    await deliver();
    await deliver();
    expect(asked()).toEqual(["hostLink.defer", "hostLink.defer"]);
    const [first] = world.cluster.names();
    for (let light = 0; light < 5; light += 1) await tick();
    expect(asked()).toEqual([]);
    world.cluster.succeed(first ?? "");
    await replica.wake(first ?? "");
    await tick();
    expect(world.cluster.names()).toHaveLength(2);
    expect(asked().toSorted()).toEqual(["broker.completeDeferred", "broker.peek"]);
  });

  it("is two peeks and an abandon more for each further attempt", async () => {
    const { world, replica, deliver, tick, asked } = watchedBus("with a link");
    await deliver();
    asked();
    world.cluster.fail(world.jobName());
    await replica.wake(world.jobName());
    for (let light = 0; light < 5; light += 1) await tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    expect(asked()).toEqual(["broker.peek", "broker.requeueDeferred", "broker.peek"]);
  });
});
