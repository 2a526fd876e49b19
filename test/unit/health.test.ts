import { describe, expect, it } from "vitest";
import { ConfigError } from "../../shared/errors.ts";
import { makeReadiness } from "../../shared/health.ts";
import { heldOn } from "../../shared/run/source-hold.ts";
import { aModule } from "../support/a-module.ts";
import { makeWorld, RETRY } from "../support/world.ts";

const IN_ORDER = { table: null, payloads: null, cluster: null, "source thumbnails": null };
const NOTHING_HELD = {
  tripped: {},
  limits: {},
  heldSources: {},
  shutGates: [],
  clusterHold: null,
  settledElsewhere: null,
};

describe("readiness", () => {
  it("tells the age of the last tick, and that every dependency answers", async () => {
    const world = makeWorld([aModule()], {}, "with a link");
    const ready = makeReadiness(world.deps);
    expect(await ready()).toEqual({ ready: true, reconcileAgeMs: null, dependencies: IN_ORDER, ...NOTHING_HELD });
    await world.tick();
    world.clock.advance(7_000);
    expect(await ready()).toEqual({ ready: true, reconcileAgeMs: 7_000, dependencies: IN_ORDER, ...NOTHING_HELD });
  });

  it("says why deliveries are settled over the management link, and is not lost by that", async () => {
    expect(await makeReadiness(makeWorld().deps)()).toMatchObject({
      ready: true,
      settledElsewhere: "this host offers no link",
    });
  });

  it("is lost when no tick came to its end for five minutes, by whichever replica", async () => {
    const world = makeWorld();
    const ready = makeReadiness(world.deps);
    world.clock.advance(300_001);
    expect(await ready()).toMatchObject({ ready: false, dependencies: IN_ORDER });
    world.clock.advance(1_000);
    await world.makeReplica().tick();
    expect(await ready()).toMatchObject({ ready: true });
    // A tick that can't see the cluster is none.
    for (let tick = 0; tick < 31; tick += 1) {
      world.clock.advance(10_000);
      world.cluster.failNext("listJobs");
      await world.tick();
    }
    expect(await ready()).toMatchObject({ ready: false, reconcileAgeMs: 310_000 });
  });

  it("asks the dependencies once for all who ask at once or within five seconds, and sooner where something was wrong", async () => {
    const world = makeWorld();
    const ready = makeReadiness(world.deps);
    const asked = () => world.cluster.calls.get("verify");
    await Promise.all([ready(), ready()]);
    world.clock.advance(4_999);
    await ready();
    expect(asked()).toBe(1);
    world.clock.advance(1);
    world.cluster.failNext("verify");
    expect(await ready()).toMatchObject({ ready: false });
    expect(asked()).toBe(2);
    world.clock.advance(1_000);
    expect(await ready()).toMatchObject({ ready: true });
  });

  it("is lost when one dependency fails, and says which and why", async () => {
    const world = makeWorld();
    const ready = makeReadiness(world.deps);
    world.cluster.failNext("verify");
    expect(await ready()).toMatchObject({
      ready: false,
      dependencies: { ...IN_ORDER, cluster: "the cluster can't be reached" },
    });
    world.clock.advance(1_000);
    world.broker.failNext("verify", new ConfigError('queue "thumbnails" does not exist'));
    expect(await ready()).toMatchObject({ dependencies: { "source thumbnails": 'queue "thumbnails" does not exist' } });
    world.clock.advance(1_000);
    world.table.failNext("lastTick");
    world.payloads.failNext("verify");
    const { ready: isReady, dependencies } = await ready();
    expect(isReady).toBe(false);
    expect(Object.values(dependencies).filter((problem) => problem !== null)).toHaveLength(2);
  });

  it("names held sources and shut gates, and is not lost by them", async () => {
    const schema = { type: "object", additionalProperties: false };
    const world = makeWorld([aModule({ retry: RETRY, when: { subject: "mine" }, schema })], {}, "with a link");
    for (let n = 0; n < 10; n += 1) await world.send({ subject: "mine", body: Buffer.from('{"secret":1}') });
    for (let n = 0; n < 10; n += 1) await world.send({ subject: "nobody's" });
    await world.table.holdSource({ queue: "old" }, heldOn(undefined, "entity missing", world.clock.now()), undefined);
    const answer = await makeReadiness(world.deps)();
    expect(answer).toEqual({
      ready: true,
      reconcileAgeMs: null,
      dependencies: IN_ORDER,
      ...NOTHING_HELD,
      heldSources: { old: "entity missing" },
      shutGates: ["module:thumbnail", "source:thumbnails"],
    });
    expect(JSON.stringify(answer)).not.toContain("secret");
    const other = world.makeReplica({ modules: new Map([["thumbnail", aModule({ retry: RETRY })]]) });
    expect(await makeReadiness(other.deps)()).toMatchObject({ ready: true, shutGates: [] });
  });

  it("says why a replica starts nothing: it sees another cluster, or too many jobs are missing", async () => {
    const world = makeWorld();
    const ready = makeReadiness(world.deps);
    await world.tick();
    world.cluster.uid = "another";
    expect(await ready()).toMatchObject({ ready: true, clusterHold: "another cluster" });
    const stored = await world.table.cluster();
    if (!stored) throw new Error("no record");
    world.cluster.uid = stored.record.uid;
    await world.table.saveCluster({ ...stored.record, doubtedSince: world.clock.now() }, stored.etag);
    world.clock.advance(5_000);
    expect(await ready()).toMatchObject({ ready: true, clusterHold: "jobs missing" });
  });
});
