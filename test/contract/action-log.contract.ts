import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import type { Action } from "../../shared/run/action.ts";
import type { Source } from "../../shared/run/source.ts";
import { aRun, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

/** Checks the rules of an ActionLog, whatever holds its rows. `make` makes an empty table. */
export function describeActionLog(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`${name} as an ActionLog`, () => {
    let table: Tables;
    beforeEach(async () => {
      table = await make(makeTestClock());
    });

    const { source } = aRun();
    const anAction = (over: Partial<Action> = {}): Action => ({
      at: T0,
      who: "ada@laptop",
      what: "cancel",
      subject: "thumbnails:42:1",
      facts: {},
      ...over,
    });
    const actionsOf = async (where?: Source) => (await table.actions(where, 100)).map(({ action }) => action);

    it("keeps what was done, with all its facts, apart for the instance and each source", async () => {
      const full = anAction({ why: 'a "reason"\n\u202e|', facts: { slots: 3, as: "retried", isLast: false } });
      await table.recordAction(full, source);
      await table.recordAction(anAction({ subject: "m" }));
      await table.recordAction(anAction({ subject: "another's" }), { queue: "another" });
      expect(await actionsOf(source)).toEqual([full]);
      expect(await actionsOf({ queue: "another" })).toEqual([anAction({ subject: "another's" })]);
      expect(await actionsOf()).toEqual([anAction({ subject: "m" })]);
    });

    it("lists the newest first, page by page, also what was done in one millisecond", async () => {
      for (const at of [T0, T0 + 10, T0 + 2, T0 + 2, T0 + 100_000_000_000]) await table.recordAction(anAction({ at }));
      const first = await table.actions(undefined, 3);
      expect(first.map(({ action }) => action.at - T0)).toEqual([100_000_000_000, 10, 2]);
      const second = await table.actions(undefined, 3, first.at(-1)?.id);
      expect(second.map(({ action }) => action.at - T0)).toEqual([2, 0]);
      expect(await table.actions(undefined, 3, second.at(-1)?.id)).toEqual([]);
      const ids = [...first, ...second].map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].toSorted());
    });

    it("lists what was done to one thing alone, page by page", async () => {
      for (const at of [T0, T0 + 1, T0 + 2, T0 + 3])
        await table.recordAction(anAction({ at, subject: at % 2 === 0 ? "it's one" : "another" }), source);
      const [newest, ...others] = await table.actions(source, 1, undefined, "it's one");
      expect([newest?.action.at, others]).toEqual([T0 + 2, []]);
      const behind = await table.actions(source, 9, newest?.id, "it's one");
      expect(behind.map(({ action }) => action.at)).toEqual([T0]);
    });

    it("notes what changes a run in the same write, wherever the run's row is, and nothing if that fails", async () => {
      const stored = await table.insert(aRun());
      const kept = await table.update(stored, { ...stored.run, lastError: "x" }, anAction({ what: "force" }));
      await expect(table.update(stored, stored.run, anAction())).rejects.toBeInstanceOf(ConflictError);
      const moved = { ...stored.run, status: "waiting", notBefore: T0 + 60_000 } as const;
      await table.update(kept, moved, anAction({ at: T0 + 1 }));
      await expect(table.update(kept, moved, anAction())).rejects.toBeInstanceOf(ConflictError);
      expect((await actionsOf(source)).map(({ what }) => what)).toEqual(["cancel", "force"]);
      expect((await table.find(stored.run)).kind).toBe("open");
    });

    it("notes what changes a row of the instance in the same write, and nothing if that fails", async () => {
      const hold = { because: "entity missing", since: T0, confirmedAt: T0, missing: [] } as const;
      const gate = {
        scope: { module: "m" },
        files: "f",
        status: "shut",
        rejected: [],
        problem: "",
        since: T0,
      } as const;
      const limit = { module: "m", slots: 0, who: "ada@laptop", since: T0 };
      const writes: readonly ((etag: string | undefined, action: Action) => Promise<void>)[] = [
        (etag, action) => table.holdSource(source, hold, etag, action),
        (etag, action) => table.saveGateState(gate, etag, action),
        (etag, action) => table.saveCluster({ namespace: "jobs" }, etag, action),
        (etag, action) => table.saveLimit(limit, etag, action),
      ];
      for (const [at, write] of writes.entries()) {
        await write(undefined, anAction({ at: T0 + at, what: `deed ${at}` }));
        await expect(write(undefined, anAction())).rejects.toBeInstanceOf(ConflictError);
        await expect(write("W/\"datetime'2026-01-01'\"", anAction())).rejects.toBeInstanceOf(ConflictError);
      }
      const [stored] = await table.limits();
      await table.removeLimit("m", stored?.etag ?? "", anAction({ at: T0 + 4, what: "deed 4" }));
      expect((await actionsOf()).map(({ what }) => what)).toEqual(["deed 4", "deed 3", "deed 2", "deed 1", "deed 0"]);
      expect(await actionsOf(source)).toEqual([]);
    });

    it("deletes what is older than a time, at most so many at once", async () => {
      for (const at of [T0, T0 + 1, T0 + 2, T0 + 3]) await table.recordAction(anAction({ at }), source);
      await table.recordAction(anAction());
      expect(await table.purgeActions(source, T0 + 3, 2)).toBe(2);
      expect(await table.purgeActions(source, T0 + 3, 2)).toBe(1);
      expect(await table.purgeActions(source, T0 + 3, 2)).toBe(0);
      expect((await actionsOf(source)).map(({ at }) => at)).toEqual([T0 + 3]);
      expect(await actionsOf()).toHaveLength(1);
    });
  });
}
