import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import type { EarlierRun } from "../../shared/ports/run-table.ts";
import { closed as close, queued } from "../../shared/run/change-run.ts";
import { nameOfRun, notedLetter } from "../../shared/run/dead-letter.ts";
import type { Redrive } from "../../shared/run/redrive.ts";
import { keyOf, type Run, runId, type Verdict } from "../../shared/run/run.ts";
import { aRun, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const { source } = aRun();
const FAILED: Verdict = { outcome: "failed", reason: "JobFailed", description: "no Job, attempt 1 of 1: x" };

/** The n-th redrive of a run, as it begins. */
const redriveOf = (run: Run, redrive: number): Run => queued({ ...run, ...keyOf(run), redrive }, T0);

/** Checks the rows of redriven runs, and of the redrives themselves. */
export function describeRedriveRows(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`${name} with redriven runs`, () => {
    let clock: TestClock;
    let table: Tables;
    beforeEach(async () => {
      clock = makeTestClock();
      table = await make(clock);
    });
    /** Closes a run whose message was dead-lettered. */
    const dead = async (run: Run) => {
      const found = await table.find(run);
      const stored = found.kind === "open" ? found.stored : await table.insert(run);
      await table.close(stored, close(stored.run, FAILED, T0 + 60_000));
      return run;
    };
    const earlierOf = async (run: Run): Promise<EarlierRun | undefined> => {
      const found = (await table.letterRuns(source, [run])).get(nameOfRun(run));
      return found?.kind === "closed" ? found : undefined;
    };
    const noted = async () => (await table.deadLetters(source, {}, 99)).map((letter) => runId(letter));

    it("claims a letter: its run is open and in line, and the letter is in no list", async () => {
      const run = await dead(aRun());
      expect(await noted()).toEqual([runId(run)]);
      const next = redriveOf(run, 1);
      const stored = await table.claim(next, await earlierOf(run));
      expect(stored.run).toEqual(next);
      expect(await noted()).toEqual([]);
      expect((await table.line(source, run.module, 9)).map((one) => runId(one.run))).toEqual([`${runId(run)}:r1`]);
      expect(await table.find(next)).toMatchObject({ kind: "open", stored: { run: next } });
      expect(await table.find(keyOf(run))).toMatchObject({ kind: "closed", run: { status: "failed" } });
      expect((await table.withMessageId(source, run.messageId, 9)).map(runId)).toEqual([
        runId(run),
        `${runId(run)}:r1`,
      ]);
    });

    it("lets one of many claim a letter", async () => {
      const run = await dead(aRun());
      const earlier = await earlierOf(run);
      const claims = await Promise.allSettled(Array.from({ length: 8 }, () => table.claim(redriveOf(run, 1), earlier)));
      expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const refusals = claims.flatMap((claim) => (claim.status === "rejected" ? [claim.reason] : []));
      expect(refusals.filter((reason) => !(reason instanceof ConflictError))).toEqual([]);
    });

    it("claims no letter of a run that has changed since it was read", async () => {
      const run = await dead(aRun());
      const earlier = await earlierOf(run);
      await table.claim(redriveOf(run, 1), earlier);
      await expect(table.claim(redriveOf(run, 2), earlier)).rejects.toThrow(ConflictError);
      expect(await table.find({ ...keyOf(run), redrive: 2 })).toEqual({ kind: "none" });
    });

    it("claims a letter that it knows nothing of, once", async () => {
      const next = redriveOf(aRun(), 1);
      await table.claim(next, undefined);
      await expect(table.claim(next, undefined)).rejects.toThrow(ConflictError);
    });

    it("notes a letter again whose row is gone, unless its run has changed since", async () => {
      const run = await dead(aRun());
      const [before] = await table.deadLetters(source, {}, 9);
      await table.forgetLetters(source, before ? [before] : []);
      const earlier = await earlierOf(run);
      if (!earlier || !before) throw new Error("the run is missing");
      const { etag: _, ...letter } = before;
      await table.noteLetter(earlier, letter);
      expect(await table.deadLetters(source, {}, 9)).toMatchObject([letter]);
      expect((await earlierOf(run))?.letter).toMatchObject({ reason: "JobFailed", group: letter.group.id });
      await expect(table.noteLetter(earlier, letter)).rejects.toThrow(ConflictError);
      // It is a letter like any other.
      await table.claim(redriveOf(run, 1), await earlierOf(run));
      expect(await noted()).toEqual([]);
    });

    it("lets only one note a letter again or claim it", async () => {
      const run = await dead(aRun());
      const [before] = await table.deadLetters(source, {}, 9);
      await table.forgetLetters(source, before ? [before] : []);
      const earlier = await earlierOf(run);
      if (!earlier || !before) throw new Error("the run is missing");
      await table.claim(redriveOf(run, 1), earlier);
      await expect(table.noteLetter(earlier, before)).rejects.toThrow(ConflictError);
      expect(await noted()).toEqual([]);
    });

    it("gives the last run of each letter, however many there were", async () => {
      const numbered = (sequenceNumber: number) => aRun({ sequenceNumber, messageId: `m-${sequenceNumber}` });
      const [first, second, third] = [numbered(1), numbered(2), numbered(3)] as const;
      const runs = [first, second, third];
      for (const run of runs) await dead(run);
      for (let redrive = 1; redrive <= 11; redrive += 1) {
        await table.claim(redriveOf(first, redrive), await earlierOf(first));
        if (redrive < 11) await dead(redriveOf(first, redrive));
      }
      await table.claim(redriveOf(second, 1), await earlierOf(second));
      await dead(redriveOf(second, 1));
      const found = await table.letterRuns(source, [...runs, aRun({ sequenceNumber: 9 })]);
      expect(found.get(nameOfRun(first))).toEqual({ kind: "open", redrive: 11 });
      expect(found.get(nameOfRun(second))).toMatchObject({ kind: "closed", run: { redrive: 1 } });
      expect(found.get(nameOfRun(third))).toMatchObject({ kind: "closed", run: { sequenceNumber: 3 } });
      expect(found.size).toBe(3);
      expect(await table.letterRuns(source, [])).toEqual(new Map());
      expect(await noted()).toHaveLength(2);
    });

    it("gives the last redrive of each letter, and none of those that were not redriven", async () => {
      const numbered = (sequenceNumber: number) => aRun({ sequenceNumber, messageId: `m-${sequenceNumber}` });
      const [never, often, over, withdrawn] = [numbered(1), numbered(2), numbered(3), numbered(4)] as const;
      const runs = [never, often, over, withdrawn];
      for (const run of runs) await dead(run);
      for (let redrive = 1; redrive <= 11; redrive += 1) {
        await table.claim(redriveOf(often, redrive), await earlierOf(often));
        if (redrive < 11) await dead(redriveOf(often, redrive));
      }
      await table.claim(redriveOf(over, 1), await earlierOf(over));
      await dead(redriveOf(over, 1));
      const stored = await table.claim(redriveOf(withdrawn, 1), await earlierOf(withdrawn));
      await table.close(stored, close(stored.run, { outcome: "withdrawn" }, T0 + 90_000));
      expect(await table.lastRedrives(source, [...runs, aRun({ sequenceNumber: 9 })])).toEqual(
        new Map([
          [nameOfRun(often), { redrive: 11, status: "open" }],
          [nameOfRun(over), { redrive: 1, status: "failed" }],
          [nameOfRun(withdrawn), { redrive: 1, status: "withdrawn" }],
        ]),
      );
      expect(await table.lastRedrives(source, [])).toEqual(new Map());
    });

    it("notes the letter of a redriven run, and purges it with its run", async () => {
      const run = await dead(aRun());
      await table.claim(redriveOf(run, 1), await earlierOf(run));
      await dead(redriveOf(run, 1));
      expect(await noted()).toEqual([`${runId(run)}:r1`]);
      // The first run's letter is the redriven one's now, so that the history's purge takes the run.
      expect(await table.purge(source, T0 + DAY_MS, 9)).toBe(1);
      await table.purgeLetters(source, await table.deadLetters(source, {}, 9));
      expect(await noted()).toEqual([]);
      expect(await table.find({ ...keyOf(run), redrive: 1 })).toEqual({ kind: "none" });
    });

    it("notes the letter that it is told, of a run that was withdrawn", async () => {
      const run = await dead(aRun());
      const before = notedLetter(close(run, FAILED, T0 + 60_000));
      const stored = await table.claim(redriveOf(run, 1), await earlierOf(run));
      const withdrawn = close(stored.run, { outcome: "withdrawn" }, T0 + 90_000);
      await table.close(stored, withdrawn, before && { ...before, redrive: 1 });
      expect(await table.deadLetters(source, {}, 9)).toMatchObject([
        { redrive: 1, reason: "JobFailed", closedAt: T0 + 60_000 },
      ]);
      expect(await earlierOf(run)).toMatchObject({
        run: { status: "withdrawn", redrive: 1 },
        letter: { module: "thumbnail", reason: "JobFailed", group: before?.group.id, closedAt: T0 + 60_000 },
      });
    });

    it("keeps where a letter lies, if that is elsewhere than its message was", async () => {
      const run = { ...redriveOf(aRun(), 1), letterNumber: 7, letterEnqueuedAt: T0 + 5 };
      await table.claim(run, undefined);
      expect(await table.find(run)).toMatchObject({ stored: { run: { letterNumber: 7, letterEnqueuedAt: T0 + 5 } } });
    });

    it("keeps the last redrive of each source, and lets one of two change it", async () => {
      const redrive: Redrive = {
        source,
        orderedAt: T0,
        who: "ann",
        why: "a font\nwas missing",
        wanted: { module: "thumbnail", messageIds: ["m|1", "ключ"], since: T0 },
        most: 1,
        perSecond: 50,
        cursor: 0,
        isThrough: false,
        redriven: 0,
        left: {},
      };
      const stored = await table.saveRedrive(redrive, undefined);
      await expect(table.saveRedrive(redrive, undefined)).rejects.toThrow(ConflictError);
      const elsewhere = { topic: "Images", subscription: "thumbnail" };
      await table.saveRedrive({ ...redrive, source: elsewhere }, undefined);
      const further: Redrive = {
        ...redrive,
        cursor: 2 ** 40,
        isThrough: true,
        redriven: 3,
        left: { schema: 2, "at work": 1 },
        end: "stopped",
        endedAt: T0 + 9,
        problem: "it can't go on",
      };
      await table.saveRedrive(further, stored.etag);
      await expect(table.saveRedrive(redrive, stored.etag)).rejects.toThrow(ConflictError);
      const found = (await table.redrives()).map((one) => one.redrive);
      expect(found).toHaveLength(2);
      expect(found).toContainEqual(further);
      expect(found).toContainEqual({ ...redrive, source: elsewhere });
    });
  });
}
