import { afterEach, describe, expect, it, vi } from "vitest";
import { makeReadiness } from "../../../shared/health.ts";
import { makeLog } from "../../../shared/log.ts";
import { makeTicks } from "../../../shared/reconcile/tick-lease.ts";
import { makeMachineClock } from "../../support/test-clock.ts";
import { watchPorts } from "../../support/watched-ports.ts";
import { makeWorld } from "../../support/world.ts";

/** The default time between two ticks. */
const EVERY_MS = 10_000;
const LEASE_MS = 15_000;

/** A world whose replicas share the ticks. */
function setUp() {
  const world = makeWorld();
  /** Makes a replica that counts its ticks. `work` is what a tick does. */
  function makeReplica({
    aheadMs = 0,
    work = async () => {},
    isOfUse = true,
  }: {
    aheadMs?: number;
    work?: () => Promise<void>;
    isOfUse?: boolean;
  } = {}) {
    const { deps } = world.makeReplica({ machine: makeMachineClock(world.clock, aheadMs) });
    const lines: string[] = [];
    const sink = (line: string) => lines.push(line);
    const log = makeLog({ info: sink, warn: sink, error: sink });
    let ticked = 0;
    const calls: string[] = [];
    const { instanceTable } = watchPorts(deps, (name, method) => {
      calls.push(name);
      return method();
    });
    const ticks = makeTicks({ ...deps, instanceTable }, async () => {
      ticked += 1;
      await work();
      return isOfUse;
    });
    return { tick: () => ticks.tick(log), stop: () => ticks.stop(), ticked: () => ticked, lines, calls };
  }
  return { world, makeReplica };
}

describe("the lease of the ticks", () => {
  it("holds off neither the first tick nor a replica that is alone", async () => {
    const { world, makeReplica } = setUp();
    const alone = makeReplica();
    for (let n = 1; n <= 20; n += 1) {
      await alone.tick();
      expect(alone.ticked()).toBe(n);
      world.clock.advance(n % 2 === 0 ? EVERY_MS : 1_000);
    }
    expect(alone.lines).toEqual([]);
  });

  it("goes to another replica if the one that has it sees another cluster", async () => {
    const { world, makeReplica } = setUp();
    const misled = makeReplica({ isOfUse: false });
    const right = makeReplica();
    for (let n = 0; n < 5; n += 1) {
      await misled.tick();
      await right.tick();
      world.clock.advance(EVERY_MS);
    }
    expect([misled.ticked(), right.ticked()]).toEqual([1, 5]);
  });

  it("lets one of several replicas tick whose timers fire at the same second", async () => {
    const { world, makeReplica } = setUp();
    const replicas = [makeReplica(), makeReplica(), makeReplica()];
    for (let n = 0; n < 20; n += 1) {
      await Promise.all(replicas.map(({ tick }) => tick()));
      world.clock.advance(EVERY_MS);
    }
    expect(replicas.map(({ ticked }) => ticked()).toSorted((a, b) => a - b)).toEqual([0, 0, 20]);
  });

  it("costs the holder a write, and each of the others a read", async () => {
    const { world, makeReplica } = setUp();
    const [holder, other] = [makeReplica(), makeReplica()];
    for (let n = 0; n < 3; n += 1) {
      await holder.tick();
      await other.tick();
      world.clock.advance(EVERY_MS);
    }
    const write = "table.saveTickLease";
    expect(holder.calls).toEqual(["table.tickLease", write, write, write]);
    expect(other.calls).toEqual(Array.from({ length: 3 }, () => "table.tickLease"));
  });

  it("ends fifteen seconds after its holder died", async () => {
    const { world, makeReplica } = setUp();
    const [dead, other] = [makeReplica(), makeReplica()];
    await dead.tick();
    world.clock.advance(LEASE_MS - 1_000);
    await other.tick();
    expect(other.ticked()).toBe(0);
    world.clock.advance(1_000);
    await other.tick();
    expect(other.ticked()).toBe(1);
    // If the holder was only frozen, it wakes and finds the lease the other's.
    await dead.tick();
    expect([dead.ticked(), other.ticked()]).toEqual([1, 1]);
  });

  it("goes to another replica at once if its holder was ended", async () => {
    const { makeReplica } = setUp();
    const [ended, other] = [makeReplica(), makeReplica()];
    await ended.tick();
    await ended.stop();
    await other.tick();
    expect(other.ticked()).toBe(1);
    // A replica that never had the lease gives back none.
    await ended.stop();
    await other.tick();
    expect(other.ticked()).toBe(2);
  });

  it("is said to be another's once, and once when it is taken over", async () => {
    const { world, makeReplica } = setUp();
    const [first, second] = [makeReplica(), makeReplica()];
    await first.tick();
    for (let n = 0; n < 3; n += 1) await second.tick();
    world.clock.advance(LEASE_MS);
    for (let n = 0; n < 3; n += 1) await second.tick();
    expect(second.lines.map((line) => Reflect.get(Object(JSON.parse(line)), "message"))).toEqual([
      "leaving the ticks to another replica",
      "took over the ticks",
    ]);
    expect(first.lines).toEqual([]);
  });

  it("goes to one replica if two find it free at once", async () => {
    const { world, makeReplica } = setUp();
    const [slow, quick] = [makeReplica(), makeReplica()];
    world.table.beforeNext("saveTickLease", quick.tick);
    await slow.tick();
    expect([slow.ticked(), quick.ticked()]).toEqual([0, 1]);
  });

  it("keeps no replica from ticking if the table can't be asked", async () => {
    const { world, makeReplica } = setUp();
    const [first, second] = [makeReplica(), makeReplica()];
    await first.tick();
    world.table.failNext("tickLease");
    await second.tick();
    world.table.failNext("saveTickLease");
    await first.tick();
    expect([first.ticked(), second.ticked()]).toEqual([2, 1]);
    expect(first.lines.join()).toContain("could not ask which replica ticks, so this one does");
  });

  it("stays with its holder after the answer to a renewal was lost", async () => {
    const { world, makeReplica } = setUp();
    const [first, second] = [makeReplica(), makeReplica()];
    await first.tick();
    world.table.loseNextReply("saveTickLease");
    await first.tick();
    await first.tick();
    await second.tick();
    expect([first.ticked(), second.ticked()]).toEqual([3, 0]);
  });

  it("keeps nobody if it ends too late to be true", async () => {
    const { world, makeReplica } = setUp();
    await world.table.saveTickLease({ holder: "by hand", until: world.clock.now() + 3_600_000 }, undefined);
    const replica = makeReplica();
    await replica.tick();
    expect(replica.ticked()).toBe(1);
  });

  it.each([3_600_000, -3_600_000])("is one for all, also for a replica whose clock is %d ms ahead", async (aheadMs) => {
    const { world, makeReplica } = setUp();
    const [wrong, right] = [makeReplica({ aheadMs }), makeReplica()];
    for (let n = 0; n < 5; n += 1) {
      await wrong.tick();
      await right.tick();
      world.clock.advance(EVERY_MS);
    }
    expect([wrong.ticked(), right.ticked()]).toEqual([5, 0]);
    world.clock.advance(EVERY_MS);
    await right.tick();
    await wrong.tick();
    expect([wrong.ticked(), right.ticked()]).toEqual([5, 1]);
  });

  it("leaves the age of the last tick as it is", async () => {
    const { world, makeReplica } = setUp();
    const [holder, other] = [makeReplica({ work: () => world.tick() }), makeReplica({ work: () => world.tick() })];
    await holder.tick();
    world.clock.advance(7_000);
    await other.tick();
    expect(await makeReadiness(world.deps)()).toMatchObject({ ready: true, reconcileAgeMs: 7_000 });
  });
});

describe("a tick that takes long", () => {
  afterEach(() => void vi.useRealTimers());

  /** Lets so much time pass within a tick, second by second. */
  async function pass(world: ReturnType<typeof makeWorld>, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      world.clock.advance(1_000);
      await vi.advanceTimersByTimeAsync(1_000);
    }
  }

  it("keeps its lease, and loses it after two minutes, because then it is stuck", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { world, makeReplica } = setUp();
    const other = makeReplica();
    const seen: number[] = [];
    const slow = makeReplica({
      work: async () => {
        for (const ms of [20_000, 30_000, 60_000, 25_000]) {
          await pass(world, ms);
          await other.tick();
          seen.push(other.ticked());
        }
      },
    });
    await slow.tick();
    expect(seen).toEqual([0, 0, 0, 1]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("loses its lease to another replica if it was frozen, and does not take it back while it is at work", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { world, makeReplica } = setUp();
    const other = makeReplica();
    const frozen = makeReplica({
      work: async () => {
        world.clock.advance(60_000);
        await other.tick();
        await pass(world, 6_000);
      },
    });
    await frozen.tick();
    await other.tick();
    await frozen.tick();
    expect([frozen.ticked(), other.ticked()]).toEqual([1, 2]);
  });
});
