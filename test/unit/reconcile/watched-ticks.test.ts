import { describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../shared/clock.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeWatchedTicks } from "../../../shared/reconcile/watched-ticks.ts";
import { makeWorld, type World, withRun } from "../../support/world.ts";

/** Ticks of one replica in a world, whose invocations last so long if nothing ends them. */
function watching(world: World, { lastMs = 400, nextMs = 1.34 * lastMs }: { lastMs?: number; nextMs?: number } = {}) {
  const replica = world.makeReplica();
  const stopping = new AbortController();
  const tick = makeWatchedTicks(
    {
      cluster: world.cluster,
      clock: systemClock,
      nextTickAfter: (ms) => ms + nextMs,
      stopping: stopping.signal,
      beside: async () => {},
    },
    replica.reconcile,
    replica.openWakes,
  );
  return {
    tick: () => tick(world.log),
    stop: () => stopping.abort(),
    said: () => world.lines.filter(({ message }) => String(message).startsWith("the watch on the Jobs")),
    /** Ticks, and gives the watch a sign of life meanwhile. */
    heardTick: async () => {
      const ticking = tick(world.log);
      await vi.waitFor(() => expect(world.cluster.watching).toBe(1));
      world.cluster.giveSignOfLife();
      return ticking;
    },
  };
}

const lists = (world: World) => world.cluster.calls.get("listJobs") ?? 0;

describe("a tick that watches", () => {
  it("settles a message as soon as its Job ends", async () => {
    const world = await withRun();
    const { tick } = watching(world, { lastMs: 5_000 });
    const ticking = tick();
    await vi.waitFor(() => expect(world.cluster.watching).toBe(1));
    world.cluster.succeed(world.jobName());
    await vi.waitFor(() => expect(world.closed()).toMatchObject([{ status: "succeeded" }]), 1_000);
    world.cluster.cutWatches();
    await ticking;
  });

  it("settles a message as soon as its pod has succeeded, before the Job is said to be complete", async () => {
    const world = await withRun();
    const { tick, stop } = watching(world, { lastMs: 5_000 });
    const name = world.jobName();
    const ticking = tick();
    await vi.waitFor(() => expect(world.cluster.watching).toBe(1));
    world.cluster.succeedPod(name);
    await vi.waitFor(() => expect(world.closed()).toMatchObject([{ status: "succeeded" }]), 1_000);
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.job(name).metadata?.labels).toMatchObject({ "ion/retired": "true" });
    expect(world.cluster.calls.get("get")).toBeUndefined();
    // Then the cluster says that the Job is complete, which changes nothing.
    world.cluster.succeed(name);
    stop();
    await ticking;
    expect(world.closed()).toHaveLength(1);
  });

  it("hears in a light tick of a pod that succeeds between two ticks", async () => {
    const world = await withRun();
    const { heardTick } = watching(world);
    await heardTick();
    world.cluster.succeedPod(world.jobName());
    await heardTick();
    expect(lists(world)).toBe(1);
    expect(world.closed()).toHaveLength(1);
  });

  it("goes on by the Jobs alone without the right to watch the pods, and says so once", async () => {
    const world = await withRun();
    const { heardTick } = watching(world);
    const pods = () => world.lines.filter(({ message }) => String(message).startsWith("the watch on the pods"));
    // oxlint-disable-next-line require-yield -- It fails before it tells anything.
    world.cluster.watchPods = async function* () {
      throw new UnavailableError("the Dispatcher lacks this right");
    };
    const now = Date.now();
    for (let n = 0; n < 3; n += 1) {
      // Each of these ticks lists, because the last list is a minute old.
      vi.spyOn(Date, "now").mockReturnValue(now + n * 60_000);
      await heardTick();
    }
    expect(pods()).toMatchObject([{ level: "warn", why: "the Dispatcher lacks this right" }]);
    expect(lists(world)).toBe(3);
    await heardTick();
    expect(lists(world)).toBe(3);
    world.cluster.succeed(world.jobName());
    await heardTick();
    vi.restoreAllMocks();
    expect(world.closed()).toHaveLength(1);
  });

  it("lists in one of six ticks as long as the watch is heard of, and hears what ends between two of them", async () => {
    const world = await withRun();
    const { heardTick } = watching(world);
    for (let n = 0; n < 6; n += 1) await heardTick();
    expect(lists(world)).toBe(1);
    world.cluster.succeed(world.jobName());
    await heardTick();
    expect(lists(world)).toBe(2);
    expect(world.closed()).toHaveLength(1);

    const second = await withRun();
    const light = watching(second);
    await light.heardTick();
    second.cluster.succeed(second.jobName());
    await light.heardTick();
    expect(lists(second)).toBe(1);
    expect(second.closed()).toHaveLength(1);
  });

  it("goes on from the list's version, so that a Job that ends while the tick goes on is not missed", async () => {
    const world = await withRun();
    const name = world.jobName();
    const listPods = world.cluster.listPods.bind(world.cluster);
    world.cluster.listPods = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      world.cluster.succeed(name);
      return listPods();
    };
    await watching(world).tick();
    expect(world.closed()).toHaveLength(1);
  });

  it("lists in each tick without the right to watch, and says so once", async () => {
    const world = await withRun();
    const { tick, said } = watching(world, { lastMs: 50 });
    // oxlint-disable-next-line require-yield -- It fails before it tells anything.
    world.cluster.watchJobs = async function* () {
      throw new UnavailableError("the Dispatcher lacks this right");
    };
    for (let n = 0; n < 4; n += 1) await tick();
    expect(lists(world)).toBe(4);
    expect(said()).toMatchObject([{ level: "warn", why: "the Dispatcher lacks this right" }]);
  });

  it("says that the watch works again", async () => {
    const world = await withRun();
    const { tick, heardTick, said } = watching(world);
    for (let n = 0; n < 3; n += 1) {
      world.cluster.failNext("watchJobs");
      await tick();
    }
    await heardTick();
    expect(said().map(({ message }) => message)).toEqual([
      "the watch on the Jobs does not work, so each tick lists them",
      "the watch on the Jobs works again",
    ]);
  });

  it.each<{ name: string; harm: (world: World) => void }>([
    { name: "is cut", harm: (world) => world.cluster.cutWatches() },
    { name: "was not heard of", harm: () => {} },
    {
      name: "told of what only a list can settle",
      harm: (world) => world.cluster.say({ name: "no-such-job", state: "complete" }),
    },
  ])("lists again after a watch that $name", async ({ harm }) => {
    const world = await withRun();
    const { tick, heardTick } = watching(world);
    await heardTick();
    const ticking = tick();
    await vi.waitFor(() => expect(world.cluster.watching).toBe(1));
    harm(world);
    await ticking;
    expect(lists(world)).toBe(1);
    await heardTick();
    expect(lists(world)).toBe(2);
  });

  it("lists again if the watch told something, was cut, and was silent from its tick's list on", async () => {
    const world = await withRun();
    const { tick, heardTick } = watching(world);
    await heardTick();
    // The last list is a minute old, so that this tick lists.
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 60_000);
    const listJobs = world.cluster.listJobs.bind(world.cluster);
    world.cluster.listJobs = async () => {
      await vi.waitFor(() => expect(world.cluster.watching).toBe(1));
      world.cluster.giveSignOfLife();
      await new Promise((resolve) => setTimeout(resolve, 20));
      world.cluster.cutWatches();
      await vi.waitFor(() => expect(world.cluster.watching).toBe(0));
      return listJobs();
    };
    await tick();
    world.cluster.listJobs = listJobs;
    await heardTick();
    vi.restoreAllMocks();
    expect(lists(world)).toBe(3);
  });

  it("lists again if the last list is a minute old, by either clock, however few ticks there were", async () => {
    const world = await withRun();
    const { heardTick } = watching(world);
    await heardTick();
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 60_000);
    await heardTick();
    vi.restoreAllMocks();
    expect(lists(world)).toBe(2);
  });

  it("ends at once when it is told to, and watches no more", async () => {
    const world = await withRun();
    const { tick, stop } = watching(world, { lastMs: 20_000 });
    const startedAt = performance.now();
    const ticking = tick();
    await vi.waitFor(() => expect(world.cluster.watching).toBe(1));
    stop();
    await ticking;
    await tick();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(world.cluster.watching).toBe(0);
    expect(lists(world)).toBe(2);
  });

  it("ends before the next one is due, and is never long", async () => {
    const world = makeWorld();
    const startedAt = performance.now();
    await watching(world, { nextMs: 1_400 }).tick();
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(1_390);
  });

  it("lets the server end the only watch of a tick, so that the next one finds a connection", async () => {
    const world = makeWorld();
    // Nothing but the watch's own time ends it: the rest before the next tick is a second, and half of that may be used up,
    // so that three whole seconds fit in, and the tick itself would end it a second later.
    await watching(world, { nextMs: 4_490 }).tick();
    expect(world.cluster.calls.get("watchJobs")).toBe(1);
    expect(world.cluster.abortedWatches).toBe(0);
  });

  it("does not watch on if the tick came to nothing", async () => {
    const world = await withRun();
    const { tick } = watching(world, { lastMs: 20_000 });
    world.cluster.uid = "another";
    expect(await tick()).toBe(false);
    expect(world.cluster.watching).toBe(0);
  });
});
