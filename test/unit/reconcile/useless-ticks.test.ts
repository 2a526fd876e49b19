import { expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeClusterGuard } from "../../../shared/holds/cluster-guard.ts";
import { makeSourceHolds } from "../../../shared/holds/source-holds.ts";
import { makeGates } from "../../../shared/judge/gates.ts";
import { makeLog } from "../../../shared/log.ts";
import { makeReconcile } from "../../../shared/reconcile/reconcile.ts";
import { makeTicks } from "../../../shared/reconcile/tick-lease.ts";
import { makeAdmission } from "../../../shared/start/admission.ts";
import { makeBreakers } from "../../../shared/start/breakers.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeWorld, type World } from "../../support/world.ts";

const log = makeLog({ info() {}, warn() {}, error() {} });

function ticking(world: World, cluster = world.cluster) {
  const { deps } = world.makeReplica({ cluster });
  const holds = { cluster: makeClusterGuard(deps), sources: makeSourceHolds(deps) };
  const reconcile = makeReconcile(
    deps,
    makeAdmission(deps.table, deps.clock),
    makeBreakers(deps),
    makeGates(deps),
    holds,
  );
  return makeTicks(deps, reconcile);
}

it("a replica that can't reach the API server leaves the ticks to one that can", async () => {
  const world = makeWorld();
  await world.send();
  world.cluster.run(world.jobName());
  world.cluster.succeed(world.jobName());
  const cut = new FakeCluster({ clock: world.clock, uid: world.cluster.uid });
  cut.listJobs = () => Promise.reject(new UnavailableError("this pod's network is cut"));
  const broken = ticking(world, cut);
  const sound = ticking(world);
  for (let n = 0; n < 360; n += 1) {
    await broken.tick(log);
    await sound.tick(log);
    world.clock.advance(10_000);
  }
  // An hour later the message is still not settled.
  expect(world.message(1).state).toBe("completed");
});

it("a replica that can't reach the bus leaves the ticks to one that can", async () => {
  const world = makeWorld();
  await world.send();
  world.cluster.run(world.jobName());
  world.cluster.succeed(world.jobName());
  const away = async () => {
    throw new UnavailableError("this pod can't reach the bus");
  };
  const { deps } = world.makeReplica({
    broker: { ...world.deps.broker, completeDeferred: away, peek: away, browse: away },
  });
  const holds = { cluster: makeClusterGuard(deps), sources: makeSourceHolds(deps) };
  const broken = makeTicks(
    deps,
    makeReconcile(deps, makeAdmission(deps.table, deps.clock), makeBreakers(deps), makeGates(deps), holds),
  );
  const sound = ticking(world);
  for (let n = 0; n < 360; n += 1) {
    await broken.tick(log);
    await sound.tick(log);
    world.clock.advance(10_000);
  }
  expect(world.message(1).state).toBe("completed");
});

it("a replica whose tick throws each time (a bug, a bad answer) leaves the ticks to another", async () => {
  const world = makeWorld();
  let ticked = 0;
  const broken = makeTicks(world.makeReplica().deps, () => Promise.reject(new Error("a bad answer")));
  const sound = makeTicks(world.makeReplica().deps, async () => {
    ticked += 1;
    return true;
  });
  for (let n = 0; n < 360; n += 1) {
    await broken.tick(log).catch(() => undefined);
    await sound.tick(log);
    world.clock.advance(10_000);
  }
  expect(ticked).toBeGreaterThan(0);
});
