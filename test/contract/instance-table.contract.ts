import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import type { InstanceTable } from "../../shared/ports/instance-table.ts";
import { type GateScope, type GateState, gateName } from "../../shared/run/gate-state.ts";
import type { Source } from "../../shared/run/source.ts";
import type { TickCounts } from "../../shared/run/tick-counts.ts";
import { T0 } from "../support/a-run.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

/** Checks the rules of an InstanceTable, whatever holds its rows. `make` makes an empty one. */
export function describeInstanceTable(name: string, make: (clock: TestClock) => Promise<InstanceTable>): void {
  describe(`${name} as an InstanceTable`, () => {
    let table: InstanceTable;
    beforeEach(async () => {
      table = await make(makeTestClock());
    });

    it("remembers every source once, in its own spelling", async () => {
      const topic: Source = { topic: "Images/Raw", subscription: "Thumb#1" };
      await Promise.all([
        table.registerSource(topic),
        table.registerSource(topic),
        table.registerSource({ queue: "a" }),
      ]);
      await table.registerSource({ queue: "A" });
      const found = (await table.sources()).toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
      expect(found).toEqual([{ queue: "a" }, topic]);
    });

    it("remembers the sweep of each source, from 0", async () => {
      expect(await table.sweepCursor({ queue: "a" })).toBe(0);
      await table.saveSweepCursor({ queue: "a" }, 2 ** 53 - 1);
      await table.saveSweepCursor({ queue: "b" }, 7);
      await table.saveSweepCursor({ queue: "b" }, 3);
      expect(await table.sweepCursor({ queue: "a" })).toBe(2 ** 53 - 1);
      expect(await table.sweepCursor({ queue: "B" })).toBe(3);
    });

    it("stores a module's state, and the next one only if no other process changed it since", async () => {
      expect(await table.moduleStates()).toEqual([]);
      const counting = {
        module: "m",
        template: "t",
        fault: "image",
        failed: ["a", "b"],
        since: T0,
        detail: "no",
        probes: 0,
      };
      await table.saveModuleState(counting, undefined);
      const [held] = await table.moduleStates();
      expect(held?.state).toEqual(counting);
      const tripped = { ...counting, failed: ["a", "b", "c"], trippedAt: T0 + 1, probeAt: T0 + 2, probes: 3 };
      await table.saveModuleState(tripped, held?.etag);
      await expect(table.saveModuleState(counting, held?.etag)).rejects.toBeInstanceOf(ConflictError);
      await expect(table.saveModuleState(counting, undefined)).rejects.toBeInstanceOf(ConflictError);
      expect((await table.moduleStates()).map(({ state }) => state)).toEqual([tripped]);
    });

    it("stores a person's limit on a module, the next one, and its end, each only if no other process was faster", async () => {
      expect(await table.limits()).toEqual([]);
      const pause = {
        module: "m",
        slots: 0,
        who: "ada@laptop",
        why: "full \u202e disk",
        since: T0,
        until: T0 + 60_000,
      };
      const pausing = {
        at: T0,
        who: "ada@laptop",
        what: "pause",
        subject: "m",
        facts: { until: T0 + 60_000 },
      } as const;
      await table.saveLimit(pause, undefined, pausing);
      await table.saveLimit({ module: "n", slots: 100_000, who: "bob", since: T0 }, undefined, pausing);
      await expect(table.saveLimit(pause, undefined, pausing)).rejects.toBeInstanceOf(ConflictError);
      const first = (await table.limits()).find(({ limit }) => limit.module === "m");
      expect(first?.limit).toEqual(pause);
      const limit = { module: "m", slots: 3, who: "bob", since: T0 + 1 };
      await table.saveLimit(limit, first?.etag, { ...pausing, what: "limit" });
      await expect(table.saveLimit(pause, first?.etag, pausing)).rejects.toBeInstanceOf(ConflictError);
      await expect(table.removeLimit("m", first?.etag ?? "", pausing)).rejects.toBeInstanceOf(ConflictError);
      await expect(table.removeLimit("m", first?.etag ?? "")).rejects.toBeInstanceOf(ConflictError);
      for (const stored of await table.limits()) {
        expect([limit.module, "n"]).toContain(stored.limit.module);
        await (stored.limit.module === "m"
          ? table.removeLimit("m", stored.etag, { ...pausing, what: "resume" })
          : table.removeLimit("n", stored.etag));
      }
      expect(await table.limits()).toEqual([]);
    });

    it("stores the record of the cluster, and the next one only if no other process changed it since", async () => {
      expect(await table.cluster()).toBeUndefined();
      await table.saveCluster({ namespace: "jobs" }, undefined);
      await expect(table.saveCluster({ namespace: "jobs" }, undefined)).rejects.toBeInstanceOf(ConflictError);
      const first = await table.cluster();
      expect(first?.record).toEqual({ namespace: "jobs" });
      const full = { uid: "u", namespace: "new", next: { uid: "n", since: T0 }, doubtedSince: T0 + 1 };
      await table.saveCluster(full, first?.etag);
      expect((await table.cluster())?.record).toEqual(full);
      await expect(table.saveCluster({ namespace: "jobs" }, first?.etag)).rejects.toBeInstanceOf(ConflictError);
      await table.saveCluster({ uid: "u", namespace: "jobs" }, (await table.cluster())?.etag);
      expect((await table.cluster())?.record).toEqual({ uid: "u", namespace: "jobs" });
    });

    it("holds sources, changes a hold and ends it, each only if no other process was faster", async () => {
      const [a, b] = [{ queue: "a" }, { topic: "t", subscription: "s" }];
      const hold = { because: "entity missing", since: T0, confirmedAt: T0, missing: [] } as const;
      const missing = [
        { sequenceNumber: 1, enqueuedAt: T0 },
        { sequenceNumber: 2 ** 48 - 2, enqueuedAt: T0 + 1 },
      ];
      expect(await table.heldSources()).toEqual([]);
      await table.holdSource(a, hold, undefined);
      await table.holdSource(b, { ...hold, because: "messages missing", missing, acceptedAt: T0 }, undefined);
      await expect(table.holdSource({ queue: "A" }, hold, undefined)).rejects.toBeInstanceOf(ConflictError);
      const [first, second] = (await table.heldSources()).toSorted((x, y) =>
        x.hold.because.localeCompare(y.hold.because),
      );
      expect([first?.source, first?.hold]).toEqual([a, hold]);
      expect([second?.source, second?.hold]).toEqual([
        b,
        { ...hold, because: "messages missing", missing, acceptedAt: T0 },
      ]);
      await table.holdSource(a, { ...hold, confirmedAt: T0 + 1 }, first?.etag);
      await expect(table.holdSource(a, hold, first?.etag)).rejects.toBeInstanceOf(ConflictError);
      await expect(table.releaseSource(a, first?.etag ?? "")).rejects.toBeInstanceOf(ConflictError);
      await table.releaseSource(b, second?.etag ?? "");
      const [left, ...others] = await table.heldSources();
      expect([left?.hold, others]).toEqual([{ ...hold, confirmedAt: T0 + 1 }, []]);
      await table.releaseSource(a, left?.etag ?? "");
      await expect(table.releaseSource(a, left?.etag ?? "")).rejects.toBeInstanceOf(ConflictError);
      expect(await table.heldSources()).toEqual([]);
    });

    it.each<GateScope>([
      { module: "thumbnail" },
      { source: { queue: "Thumbnails" } },
      { source: { topic: "t/1", subscription: "s" } },
    ])("stores the state of a gate, and the next one only if no other process changed it since: %o", async (scope) => {
      expect(await table.gateStates()).toEqual([]);
      const state: GateState = {
        scope,
        files: "0a1b",
        status: "counting",
        rejected: ["thumbnails:1:2", "thumbnails:3:4"],
        problem: "no module takes it",
        since: T0,
      };
      await table.saveGateState({ ...state, scope: { module: "another" } }, undefined);
      await table.saveGateState(state, undefined);
      const stored = (await table.gateStates()).find((one) => gateName(one.state.scope) === gateName(scope));
      expect(stored?.state).toEqual(state);
      const open: GateState = { ...state, status: "open", rejected: [], problem: "", openFor: "2c3d" };
      await table.saveGateState(open, stored?.etag);
      await expect(table.saveGateState(state, stored?.etag)).rejects.toBeInstanceOf(ConflictError);
      await expect(table.saveGateState(state, undefined)).rejects.toBeInstanceOf(ConflictError);
      expect((await table.gateStates()).map((one) => one.state)).toContainEqual(open);
    });

    it("remembers the last tick", async () => {
      expect(await table.lastTick()).toBeUndefined();
      await table.recordTick(T0 + 1);
      await table.recordTick(T0 + 2);
      expect(await table.lastTick()).toEqual({ at: T0 + 2 });
    });

    it("remembers what the last tick counted, however much that is, and forgets it with the next tick", async () => {
      const modules = Array.from({ length: 800 }, (_, n) => `module-${n}`);
      const ofEach = <T>(value: T) => Object.fromEntries(modules.map((module) => [module, value]));
      const counts: TickCounts = {
        atWork: ofEach({ byStatus: { dispatched: 3, settling: 1 }, heldUpBy: { "no-node": 1 }, busy: 1, oldestAt: T0 }),
        left: { "max-active": 2 },
        notStarted: 1,
        failed: 2,
        postponed: 3,
        seen: { at: T0, overdue: 1, orphans: 2, orphanJobs: 1, undelivered: 3 },
      };
      await table.recordTick(T0 + 1, counts);
      expect(await table.lastTick()).toEqual({ at: T0 + 1, counts });
      const { seen: _, ...others } = counts;
      const fewer = { ...others, atWork: {} };
      await table.recordTick(T0 + 2, fewer);
      expect(await table.lastTick()).toEqual({ at: T0 + 2, counts: fewer });
      await table.recordTick(T0 + 3);
      expect(await table.lastTick()).toEqual({ at: T0 + 3 });
    });

    it("gives the lease of the ticks to one replica, and only to one that has seen who holds it", async () => {
      expect(await table.tickLease()).toBeUndefined();
      const first = { holder: "a", until: T0 + 1 };
      const taken = await table.saveTickLease(first, undefined);
      expect(await table.tickLease()).toEqual(taken);
      expect(taken.lease).toEqual(first);
      await expect(table.saveTickLease({ holder: "b", until: T0 + 2 }, undefined)).rejects.toBeInstanceOf(
        ConflictError,
      );
      const renewed = await table.saveTickLease({ holder: "a", until: T0 + 3 }, taken.etag);
      await expect(table.saveTickLease({ holder: "b", until: T0 + 4 }, taken.etag)).rejects.toBeInstanceOf(
        ConflictError,
      );
      await table.saveTickLease({ holder: "b", until: T0 + 5 }, renewed.etag);
      expect((await table.tickLease())?.lease).toEqual({ holder: "b", until: T0 + 5 });
    });

    it("notes what was closed lately, however much, and only if no other replica did so meanwhile", async () => {
      expect(await table.ends()).toBeUndefined();
      const modules = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`module-${n}`, { succeeded: n }]));
      const first = await table.saveEnds({ since: T0, slots: { [T0]: modules } }, undefined);
      expect(await table.ends()).toEqual(first);
      const took = { [T0 + 300_000]: { m: { job: { 0: 1, 17: 3 }, whole: { 20: 4 } } } };
      const next = { since: T0, slots: { [T0 + 300_000]: { m: { rejected: 1 } } }, took };
      await expect(table.saveEnds(next, undefined)).rejects.toBeInstanceOf(ConflictError);
      const second = await table.saveEnds(next, first.etag);
      await expect(table.saveEnds(next, first.etag)).rejects.toBeInstanceOf(ConflictError);
      expect(await table.ends()).toEqual({ ends: next, etag: second.etag });
    });

    it("makes no owner if it is only asked for the one that is known", async () => {
      expect([await table.knownOwner(), await table.knownOwner()]).toEqual([undefined, undefined]);
      const owner = await table.owner();
      expect([await table.knownOwner(), await table.knownOwner()]).toEqual([owner, owner]);
    });

    it("always names the same owner", async () => {
      const owners = await Promise.all([table.owner(), table.owner()]);
      expect(owners).toEqual([owners[0], owners[0]]);
      expect(await table.owner()).toBe(owners[0]);
      expect(owners[0]).not.toBe("");
    });
  });
}
