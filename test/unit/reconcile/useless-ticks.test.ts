import { describe, expect, it } from "vitest";
import type { Dependencies } from "../../../shared/dependencies.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeLog } from "../../../shared/log.ts";
import { makeTicks, type Ticks } from "../../../shared/reconcile/tick-lease.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeWorld, type World } from "../../support/world.ts";

const log = makeLog({ info() {}, warn() {}, error() {} });

function ticking(world: World, over: Partial<Dependencies> = {}): Ticks {
  const { deps, reconcile } = world.makeReplica(over);
  return makeTicks(deps, reconcile);
}

/** Has both replicas' timers fire every ten seconds for an hour, the broken one's first. */
async function anHour(world: World, broken: Ticks, sound: Ticks): Promise<void> {
  for (let n = 0; n < 360; n += 1) {
    await broken.tick(log).catch(() => undefined);
    await sound.tick(log);
    world.clock.advance(10_000);
  }
}

const away = async () => {
  throw new UnavailableError("this pod's network is cut");
};

describe("the ticks are left to a sound replica", () => {
  it.each<{ what: string; over: (world: World) => Partial<Dependencies> }>([
    {
      what: "the API server",
      over: ({ cluster, clock }) => ({
        cluster: Object.assign(new FakeCluster({ clock, uid: cluster.uid }), { listJobs: away }),
      }),
    },
    {
      what: "the bus",
      over: ({ deps: { broker } }) => ({ broker: { ...broker, completeDeferred: away, peek: away, browse: away } }),
    },
  ])("by a replica that can't reach $what", async ({ over }) => {
    const world = makeWorld();
    await world.send();
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await anHour(world, ticking(world, over(world)), ticking(world));
    expect(world.message(1).state).toBe("completed");
  });

  it("by a replica whose tick throws each time", async () => {
    const world = makeWorld();
    let ticked = 0;
    const broken = makeTicks(world.makeReplica().deps, () => Promise.reject(new Error("a bad answer")));
    const sound = makeTicks(world.makeReplica().deps, async () => {
      ticked += 1;
      return true;
    });
    await anHour(world, broken, sound);
    expect(ticked).toBeGreaterThan(0);
  });
});
