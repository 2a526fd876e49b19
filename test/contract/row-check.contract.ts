import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import { held, putOff } from "../../shared/run/change-run.ts";
import { runId } from "../../shared/run/run.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { openRun } from "../support/open-runs.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

const DAY_MS = 86_400_000;

/** Checks the rules of a RowCheck, whatever holds its rows. `make` makes an empty one. */
export function describeRowCheck(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`${name} as a RowCheck`, () => {
    let table: Tables;
    beforeEach(async () => {
      table = await make(makeTestClock());
    });

    it("lists the identities of runs, open and closed, of one source, page by page", async () => {
      for (const sequenceNumber of [3, 1, 2]) await table.insert(aRun({ sequenceNumber }));
      await table.insert(aRun({ sequenceNumber: 1, enqueuedAt: T0 + DAY_MS }));
      await table.insert(aRun({ source: { queue: "other" } }));
      await table.close(await openRun(table, aRun({ sequenceNumber: 2 })), closing(aRun({ sequenceNumber: 2 })));
      const { source } = aRun();
      const first = await table.identities(source, 3);
      expect(first.map(({ sequenceNumber, isOpen }) => [sequenceNumber, isOpen])).toEqual([
        [1, true],
        [2, false],
        [3, true],
      ]);
      expect(await table.identities(source, 3, first.at(-1))).toEqual([
        { source, sequenceNumber: 1, enqueuedAt: T0 + DAY_MS, isOpen: true },
      ]);
    });

    it.each([
      ["at work", aRun()],
      ["in line", aRun({ status: "waiting", notBefore: T0 })],
      ["held", held(aRun(), "thumbnail", "wrong")],
    ])("finds nothing wrong with a run that is %s", async (_, run) => {
      const { row } = await table.insert(run);
      expect(await table.brokenRows(run)).toBeUndefined();
      expect(await table.brokenRows(run, row)).toBeUndefined();
    });

    it("finds nothing wrong with a run that waits for its time, that is closed, or that never was", async () => {
      const later = await table.update(await table.insert(aRun({ status: "waiting", notBefore: T0 })), {
        ...putOff(aRun({ status: "waiting" }), T0 + DAY_MS),
      });
      expect(await table.brokenRows(later.run, later.row)).toBeUndefined();
      await table.close(later, closing(later.run));
      expect(await table.brokenRows(later.run, later.row)).toBeUndefined();
      expect(await table.brokenRows(aRun({ sequenceNumber: 7 }))).toBeUndefined();
    });

    it("forgets no identity whose run is there, and locks none that is locked", async () => {
      const stored = await table.insert(aRun());
      await expect(table.putBack({ kind: "no run", key: aRun(), etag: 'W/"another"' }, undefined)).rejects.toThrow(
        ConflictError,
      );
      await expect(table.lockAgain({ kind: "no lock", key: aRun(), stored })).rejects.toThrow(ConflictError);
      expect(runId((await openRun(table, aRun())).run)).toBe(runId(aRun()));
    });
  });
}
