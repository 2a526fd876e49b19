import { beforeEach, describe, expect, it } from "vitest";
import { closed, rejected, reopened } from "../../shared/run/change-run.ts";
import type { Reason } from "../../shared/run/reasons.ts";
import type { ClosedRun, Run, Verdict } from "../../shared/run/run.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { openRun } from "../support/open-runs.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const { source } = aRun();

const keyOf = ({ sequenceNumber, enqueuedAt }: Run) => ({ source, sequenceNumber, enqueuedAt });

/** Checks what people look for in a RunTable: runs by the ids of their messages, dead letters, and closed runs. */
export function describeRunSearch(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`${name} as people search it`, () => {
    let clock: TestClock;
    let table: Tables;
    beforeEach(async () => {
      clock = makeTestClock();
      table = await make(clock);
    });
    const over = async (run: Run, change: Partial<ClosedRun> = {}) => {
      await table.close(await table.insert(run), closing(run, change));
      return run;
    };
    /** Closes a run whose message was dead-lettered. */
    const dead = (run: Run, verdict: Partial<Verdict> = {}, closedAt = T0 + 60_000) => {
      const whole: Verdict = {
        outcome: "failed",
        reason: "JobFailed",
        description: "no Job, attempt 1 of 1: x",
        ...verdict,
      };
      return over(run, { status: whole.outcome, verdict: whole, closedAt });
    };
    const numbers = (found: readonly { readonly sequenceNumber: number }[]) =>
      found.map(({ sequenceNumber }) => sequenceNumber);

    it("finds all runs of a message id, open and closed, the newest last", async () => {
      const runs = [7, 2 ** 40, 9].map((sequenceNumber) => aRun({ sequenceNumber, messageId: "same" }));
      for (const run of runs) await table.insert(run);
      await over(aRun({ sequenceNumber: 8, messageId: "same" }));
      await table.insert(aRun({ sequenceNumber: 10, messageId: "other" }));
      await table.insert(aRun({ sequenceNumber: 11, messageId: "same", source: { queue: "elsewhere" } }));
      const found = await table.withMessageId(source, "same", 100);
      expect(numbers(found)).toEqual([7, 8, 9, 2 ** 40]);
      expect(found[0]).toEqual(keyOf(aRun({ sequenceNumber: 7 })));
      expect(numbers(await table.withMessageId(source, "same", 2))).toEqual([7, 8]);
      expect(numbers(await table.withMessageId(source, "same", 2, found[1]))).toEqual([9, 2 ** 40]);
      expect(await table.withMessageId(source, "same", 2, found[3])).toEqual([]);
      expect(await table.withMessageId(source, "Same", 100)).toEqual([]);
      expect(await table.withCorrelationId(source, "same", 100)).toEqual([]);
    });

    it("finds all runs of a correlation id", async () => {
      for (const sequenceNumber of [1, 2]) await table.insert(aRun({ sequenceNumber, correlationId: "order-1" }));
      await table.insert(aRun({ sequenceNumber: 3 }));
      const found = await table.withCorrelationId(source, "order-1", 100);
      expect(numbers(found)).toEqual([1, 2]);
      expect(numbers(await table.withCorrelationId(source, "order-1", 100, found[0]))).toEqual([2]);
    });

    it.each([
      { what: "any Unicode", id: "ключ 鍵 🔑 \u0301 \u202e \u2028 \ufffe" },
      { what: "half a character", id: "half \ud83d" },
      { what: "control characters", id: "a\u0000b\r\n\u001b[0m" },
      { what: "characters that no key may hold", id: `'"\\/#?%|--changeset_1\r\nDELETE /x HTTP/1.1` },
      { what: "128 characters", id: "é".repeat(128) },
    ])("finds a run by an id with $what in it", async ({ id }) => {
      await table.insert(aRun({ messageId: id, correlationId: id }));
      expect(await table.withMessageId(source, id, 9)).toEqual([keyOf(aRun())]);
      expect(await table.withCorrelationId(source, id, 9)).toEqual([keyOf(aRun())]);
      await table.close(await openRun(table, aRun()), closing(aRun({ messageId: id, correlationId: id })));
      expect(await table.purge(source, T0 + DAY_MS, 9)).toBe(1);
      expect(await table.withMessageId(source, id, 9)).toEqual([]);
      expect(await table.withCorrelationId(source, id, 9)).toEqual([]);
    });

    it("keeps a run whose message has no ids, and purges it", async () => {
      await over(aRun({ messageId: "" }));
      expect(await table.purge(source, T0 + DAY_MS, 9)).toBe(1);
    });

    it("finds a run that was lost and opened again, until it is purged", async () => {
      const run = aRun({ correlationId: "c" });
      await table.close(await table.insert(run), closed(run, { outcome: "lost" }, clock.now()));
      const found = await table.find(run);
      if (found.kind !== "closed") throw new Error("not closed");
      expect(await table.deadLetters(source, {}, 9)).toEqual([]);
      const again = await table.reopen(found, reopened(found.run, clock.now()));
      expect(await table.withMessageId(source, "m-1", 9)).toEqual([keyOf(run)]);
      await table.close(again, closing(run));
      expect(await table.withCorrelationId(source, "c", 9)).toEqual([keyOf(run)]);
      expect(await table.purge(source, T0 + DAY_MS, 9)).toBe(1);
      expect(await table.withMessageId(source, "m-1", 9)).toEqual([]);
      expect(await table.withCorrelationId(source, "c", 9)).toEqual([]);
      // Nothing that is left keeps the identity from being taken again.
      await table.insert(run);
    });

    it("notes a dead letter with all that tells it from others", async () => {
      const run = aRun({ jobName: "thumbnail-0a1b2c3d-42-3", attempt: 3 });
      const description = `Job ${run.jobName}, attempt 3 of 3: work exited with code 7: no room for 12 files`;
      await dead(run, { description, exitCode: 7 });
      expect(await table.deadLetters(source, {}, 9)).toEqual([
        {
          ...keyOf(run),
          module: "thumbnail",
          reason: "JobFailed",
          exitCode: 7,
          group: { id: expect.stringMatching(/^[\da-f]{12}$/), text: "work exited with code #: no room for # files" },
          lastWords: "work exited with code 7: no room for 12 files",
          messageId: "m-1",
          attempts: 3,
          closedAt: T0 + 60_000,
          etag: expect.any(String),
        },
      ]);
    });

    it("notes one dead letter for each message that went there, and none for the others", async () => {
      const begun = (sequenceNumber: number) => aRun({ sequenceNumber });
      await over(begun(1));
      await over(begun(2), { status: "lost", verdict: { outcome: "lost" } });
      await dead(begun(3), { outcome: "cancelled", reason: "Cancelled" });
      await dead(begun(4));
      const refused = rejected(aRun({ sequenceNumber: 5, module: "" }), "no module takes it");
      await dead(refused, refused.verdict);
      await table.insert(begun(6));
      const found = await table.deadLetters(source, {}, 9);
      expect(
        found.map(({ sequenceNumber, module, reason, attempts }) => [sequenceNumber, module, reason, attempts]),
      ).toEqual([
        [5, "", "DispatchRejected", 0],
        [3, "thumbnail", "Cancelled", 1],
        [4, "thumbnail", "JobFailed", 1],
      ]);
    });

    it("lists dead letters by module, reason and group, page by page", async () => {
      const fails = (sequenceNumber: number, module: string, said: string, reason: Reason = "JobFailed") =>
        dead(aRun({ sequenceNumber, module }), { reason, description: `no Job, attempt 1 of 1: ${said}` });
      await fails(1, "a", "disk 1 is full");
      await fails(2, "a", "disk 22 is full");
      await fails(3, "a", "no such file");
      await fails(4, "a", "disk 3 is full", "JobTimedOut");
      await fails(5, "a-b", "disk 1 is full");
      await fails(6, "", "disk 1 is full");
      const listed = async (which: Parameters<Tables["deadLetters"]>[1]) =>
        numbers(await table.deadLetters(source, which, 9)).toSorted((a, b) => a - b);
      expect(await listed({})).toEqual([1, 2, 3, 4, 5, 6]);
      expect(await listed({ module: "a" })).toEqual([1, 2, 3, 4]);
      expect(await listed({ module: "" })).toEqual([6]);
      expect(await listed({ module: "b" })).toEqual([]);
      expect(await listed({ module: "a", reason: "JobFailed" })).toEqual([1, 2, 3]);
      expect(await listed({ reason: "JobTimedOut" })).toEqual([4]);
      const group =
        (await table.deadLetters(source, {}, 9)).find((letter) => letter.sequenceNumber === 2)?.group.id ?? "";
      expect(await listed({ group })).toEqual([1, 2]);
      expect(await listed({ module: "a", group })).toEqual([1, 2]);
      expect(await listed({ module: "a", reason: "JobFailed", group })).toEqual([1, 2]);
      expect(await listed({ module: "a-b", group })).toEqual([]);
      expect(await table.deadLetters({ queue: "other" }, {}, 9)).toEqual([]);

      const all = await table.deadLetters(source, {}, 9);
      const first = await table.deadLetters(source, {}, 4);
      expect([...first, ...(await table.deadLetters(source, {}, 4, first.at(-1)))]).toEqual(all);
      expect(await table.deadLetters(source, {}, 4, all.at(-1))).toEqual([]);
    });

    it("lists the newest dead letters of a group first", async () => {
      for (const [sequenceNumber, closedAt] of [
        [1, T0 + 5],
        [2, T0 + 7],
        [3, T0 + 6],
      ] as const)
        await dead(aRun({ sequenceNumber }), {}, closedAt);
      const all = await table.deadLetters(source, {}, 9);
      expect(numbers(all)).toEqual([2, 3, 1]);
      expect(numbers(await table.deadLetters(source, {}, 9, all[0]))).toEqual([3, 1]);
    });

    it("forgets dead letters, keeps their runs, and purges these in time", async () => {
      for (const sequenceNumber of [1, 2, 3]) await dead(aRun({ sequenceNumber, correlationId: "c" }));
      const all = await table.deadLetters(source, {}, 9);
      const gone = all.filter(({ sequenceNumber }) => sequenceNumber !== 2);
      await table.forgetLetters(source, gone);
      await table.forgetLetters(source, gone);
      expect(numbers(await table.deadLetters(source, {}, 9))).toEqual([2]);
      expect((await table.failureGroups(source, undefined, 9)).groups).toMatchObject([{ count: 1 }]);
      expect(await table.find(aRun({ sequenceNumber: 1 }))).toMatchObject({
        kind: "closed",
        run: { status: "failed" },
      });
      expect(numbers(await table.withCorrelationId(source, "c", 9))).toEqual([1, 2, 3]);
      // A letter that is still noted keeps its run.
      expect(await table.purge(source, T0 + DAY_MS, 9)).toBe(2);
      expect(numbers(await table.withCorrelationId(source, "c", 9))).toEqual([2]);
    });

    it("counts the letters of each failure group, the largest first", async () => {
      const fails = (sequenceNumber: number, module: string, said: string) =>
        dead(
          aRun({ sequenceNumber, module }),
          { description: `no Job, attempt 1 of 1: ${said}`, exitCode: 7 },
          T0 + sequenceNumber,
        );
      for (const sequenceNumber of [1, 2, 5]) await fails(sequenceNumber, "b", `disk ${sequenceNumber} is full`);
      await fails(3, "b", "no such file");
      await fails(4, "a", "disk 1 is full");
      await fails(6, "", "disk 1 is full");
      await over(aRun({ sequenceNumber: 7 }));
      const newest = (await table.deadLetters(source, { module: "b" }, 9)).find((found) => found.sequenceNumber === 5);
      const { groups, others } = await table.failureGroups(source, undefined, 9);
      expect(groups[0]).toEqual({ newest, count: 3, isMore: false, firstAt: T0 + 1 });
      const shown = groups.map(({ newest: { module, sequenceNumber }, count }) => [module, sequenceNumber, count]);
      expect(shown).toEqual([
        ["b", 5, 3],
        ["", 6, 1],
        ["a", 4, 1],
        ["b", 3, 1],
      ]);
      expect(others).toBe(0);
      const ofB = await table.failureGroups(source, "b", 1);
      expect(ofB).toEqual({ groups: groups.slice(0, 1), others: 1 });
      expect(await table.failureGroups(source, "c", 9)).toEqual({ groups: [], others: 0 });
      expect(await table.failureGroups({ queue: "other" }, undefined, 9)).toEqual({ groups: [], others: 0 });
    });

    it("leaves dead letters to a purge of their own, which deletes them with their runs", async () => {
      await over(aRun({ sequenceNumber: 1 }));
      for (const sequenceNumber of [2, 3, 4]) await dead(aRun({ sequenceNumber, correlationId: "c" }));
      expect(await table.purge(source, T0 + DAY_MS, 9)).toBe(1);
      const letters = (await table.deadLetters(source, {}, 9)).toSorted((a, b) => a.sequenceNumber - b.sequenceNumber);
      expect(numbers(letters)).toEqual([2, 3, 4]);
      await table.purgeLetters(source, letters.slice(0, 2));
      await table.purgeLetters(source, letters.slice(0, 2));
      await table.purgeLetters(source, []);
      expect(numbers(await table.deadLetters(source, {}, 9))).toEqual([4]);
      expect(numbers(await table.withMessageId(source, "m-1", 9))).toEqual([4]);
      expect(numbers(await table.withCorrelationId(source, "c", 9))).toEqual([4]);
      expect(numbers(await table.closedRuns(source, T0, 9))).toEqual([4]);
    });

    it("lists the dead letters that closed before a time", async () => {
      for (const sequenceNumber of [1, 2, 3]) await dead(aRun({ sequenceNumber }), {}, T0 + sequenceNumber);
      expect(numbers(await table.deadLetters(source, { closedBefore: T0 + 3 }, 9))).toEqual([2, 1]);
      expect(numbers(await table.deadLetters(source, { closedBefore: T0 + 3, module: "thumbnail" }, 1))).toEqual([2]);
    });

    it("lists the closed runs of a day, the newest last, page by page", async () => {
      const enqueuedAt = T0 + DAY_MS / 2;
      for (const sequenceNumber of [10, 9, 100]) await over(aRun({ sequenceNumber, enqueuedAt }));
      await over(aRun({ sequenceNumber: 1, enqueuedAt: T0 - 1 }));
      await over(aRun({ sequenceNumber: 200, enqueuedAt: T0 + DAY_MS }));
      await table.insert(aRun({ sequenceNumber: 50, enqueuedAt }));
      const all = await table.closedRuns(source, T0 + DAY_MS - 1, 9);
      expect(numbers(all)).toEqual([9, 10, 100]);
      expect(all[0]).toEqual(closing(aRun({ sequenceNumber: 9, enqueuedAt })));
      const first = await table.closedRuns(source, T0, 2);
      expect(numbers(first)).toEqual([9, 10]);
      expect(numbers(await table.closedRuns(source, T0, 2, first.at(-1)))).toEqual([100]);
      expect(numbers(await table.closedRuns(source, T0, 9, undefined, 100))).toEqual([9, 10]);
      expect(numbers(await table.closedRuns(source, T0, 9, first[0], 11))).toEqual([10]);
      expect(await table.closedRuns({ queue: "other" }, T0, 9)).toEqual([]);
    });

    it("finds the first run of a day behind a number, open or closed", async () => {
      const enqueuedAt = T0 + DAY_MS / 2;
      for (const sequenceNumber of [10, 9, 100]) await over(aRun({ sequenceNumber, enqueuedAt }));
      await over(aRun({ sequenceNumber: 1, enqueuedAt: T0 - 1 }));
      await over(aRun({ sequenceNumber: 200, enqueuedAt: T0 + DAY_MS }));
      for (const status of ["waiting", "dispatched"] as const)
        await table.insert(aRun({ sequenceNumber: status === "waiting" ? 50 : 60, enqueuedAt, status }));
      await table.insert(aRun({ sequenceNumber: 70, enqueuedAt, redrive: 2 }));
      const behind = (sequenceNumber: number) => table.runBehind(source, T0 + DAY_MS - 1, sequenceNumber);
      const numbersFound = (await Promise.all([0, 9, 10, 49, 50, 60, 70, 99].map(behind))).map(
        (run) => run?.sequenceNumber,
      );
      expect(numbersFound).toEqual([9, 10, 50, 50, 60, 70, 100, 100]);
      expect(await behind(0)).toEqual({ sequenceNumber: 9, enqueuedAt });
      expect(await behind(60)).toEqual({ sequenceNumber: 70, enqueuedAt, redrive: 2 });
      expect(await behind(100)).toBeUndefined();
      expect(await table.runBehind({ queue: "other" }, T0, 0)).toBeUndefined();
    });
  });
}
