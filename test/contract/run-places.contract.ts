import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import { PLACES, type StoredRun } from "../../shared/ports/run-table.ts";
import type { Run } from "../../shared/run/run.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { openRun } from "../support/open-runs.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Checks in which place of a RunTable an open run is, and how the runs of a place are listed. `make` makes an empty
 * table.
 */
export function describeRunPlaces(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`the places of a run in ${name}`, () => {
    let clock: TestClock;
    let table: Tables;
    beforeEach(async () => {
      clock = makeTestClock();
      table = await make(clock);
    });
    const open = (run: Run) => openRun(table, run);

    const { source } = aRun();
    const waiting = (over: Partial<Run> = {}) => aRun({ status: "waiting", ...over });
    const numbers = (runs: readonly StoredRun[]) => runs.map(({ run }) => run.sequenceNumber);
    const line = async (module = "thumbnail", limit = 100, after?: string) =>
      numbers(await table.line(source, module, limit, after));
    /** A run that was requeued, and is due in `ms`. */
    const putOff = async (sequenceNumber: number, ms: number, over: Partial<Run> = {}) => {
      const stored = await table.insert(aRun({ sequenceNumber, ...over }));
      return table.update(stored, { ...stored.run, status: "waiting", notBefore: clock.now() + ms });
    };

    it("are its module's line from the beginning, if it waits from the beginning", async () => {
      await table.insert(waiting({ notBefore: clock.now() + 1 }));
      expect(await line()).toEqual([42]);
      expect(await table.atWork(source)).toEqual({ runs: [], newer: [] });
    });

    it("are its due time, then the line, then the work, and it is in one of them at a time", async () => {
      let stored = await putOff(1, 10_000);
      const places = async () => [
        numbers((await table.atWork(source)).runs),
        numbers((await table.later(source, 100)).due),
        await line(),
        await table.anyReady(source),
      ];
      expect(await places()).toEqual([[], [], [], false]);
      expect(await table.later(source, 100)).toEqual({ due: [], others: true });
      clock.advance(10_000);
      expect(await places()).toEqual([[], [1], [], false]);
      stored = await table.update(stored, stored.run);
      expect(await places()).toEqual([[], [], [1], true]);
      expect(await open(stored.run)).toEqual({ ...stored, read: clock.read() });
      stored = await table.update(stored, { ...stored.run, status: "dispatched" });
      expect(await places()).toEqual([[1], [], [], true]);
      stored = await table.update(stored, { ...stored.run, status: "settling" });
      expect(await open(stored.run)).toEqual({ ...stored, read: clock.read() });
      expect(await places()).toEqual([[1], [], [], true]);
    });

    it("can be changed only by who read it there", async () => {
      const inLine = await table.insert(waiting());
      const atWork = await table.update(inLine, { ...inLine.run, status: "dispatched" });
      await expect(table.update(inLine, { ...inLine.run, status: "dispatched" })).rejects.toThrow(ConflictError);
      await expect(table.close(inLine, closing(inLine.run))).rejects.toThrow(ConflictError);
      const back = await table.update(atWork, { ...atWork.run, status: "waiting", notBefore: clock.now() });
      expect(back.row).toBe(inLine.row);
      // The row is at its old key again, and its old ETag is not.
      expect(back.etag).not.toBe(inLine.etag);
      await expect(table.update(inLine, inLine.run)).rejects.toThrow(ConflictError);
      await expect(table.update(atWork, atWork.run)).rejects.toThrow(ConflictError);
      await table.close(back, closing(back.run));
      expect(await table.find(back.run)).toMatchObject({ kind: "closed" });
      expect(await line()).toEqual([]);
    });

    it("let one of two moves win", async () => {
      const stored = await table.insert(waiting());
      const moves = await Promise.allSettled([
        table.update(stored, { ...stored.run, status: "dispatched", jobName: "a" }),
        table.update(stored, { ...stored.run, notBefore: clock.now() + 60_000 }),
      ]);
      expect(moves.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    });

    it("are a line in the order of enqueueing, so that a retry comes back to its old place", async () => {
      const first = await putOff(1, 1_000, { enqueuedAt: T0 });
      for (const [sequenceNumber, enqueuedAt] of [
        [3, T0 + 3],
        [2, T0 + 2],
        [10, T0 + 3],
      ] as const)
        await table.insert(waiting({ sequenceNumber, enqueuedAt }));
      clock.advance(1_000);
      await table.update(first, first.run);
      expect(await line()).toEqual([1, 2, 3, 10]);
      expect(await line("thumbnail", 2)).toEqual([1, 2]);
      const [, second] = await table.line(source, "thumbnail", 2);
      expect(await line("thumbnail", 2, second?.row)).toEqual([3, 10]);
    });

    it("are a line of its own for each module, whatever the modules' names", async () => {
      for (const [index, module] of ["a", "a-b", "a-b-c", "b"].entries())
        for (const offset of [1, 5]) await table.insert(waiting({ sequenceNumber: index + offset * 10, module }));
      expect(await line("a-b")).toEqual([11, 51]);
      const heads = (await table.heads(source)).map(({ run }) => `${run.module} ${run.sequenceNumber}`);
      expect(heads.toSorted()).toEqual(["a 10", "a-b 11", "a-b-c 12", "b 13"]);
      expect(await table.heads({ queue: "other" })).toEqual([]);
    });

    it("are listed up to a limit where many come due at once, the longest due first", async () => {
      for (let number = 1; number <= 5; number += 1) await putOff(number, 6_000 - number * 1_000);
      await putOff(9, 60_000);
      clock.advance(10_000);
      expect(numbers((await table.later(source, 3)).due)).toEqual([5, 4, 3]);
      expect(await table.later(source, 100)).toMatchObject({ others: true });
    });

    it("are listed whether they are due or not, a page at a time", async () => {
      for (let number = 1; number <= 5; number += 1) await putOff(number, 60_000 - number * 10_000);
      await table.insert(waiting({ sequenceNumber: 9 }));
      clock.advance(20_000);
      const first = await table.allLater(source, 3);
      expect(numbers(first)).toEqual([5, 4, 3]);
      expect(numbers(await table.allLater(source, 3, first.at(-1)?.row))).toEqual([2, 1]);
      expect(await table.allLater({ queue: "other" }, 3)).toEqual([]);
    });

    const held = (over: Partial<Run> = {}) => aRun({ status: "held", notBefore: clock.now() + 15_000, ...over });

    it("are its module's held runs, and then the line or the work once it is judged", async () => {
      const places = async () => [
        numbers(await table.held(source, "thumbnail", 100)),
        await line(),
        numbers((await table.atWork(source)).runs),
      ];
      const [first, second] = [await table.insert(held({ sequenceNumber: 1 })), await table.insert(held())];
      expect(await places()).toEqual([[1, 42], [], []]);
      expect(await table.later(source, 100)).toEqual({ due: [], others: false });
      expect((await open(first.run)).run).toEqual(first.run);
      const inLine = await table.update(first, { ...first.run, status: "waiting", notBefore: clock.now() });
      expect(await places()).toEqual([[42], [1], []]);
      expect(await open(first.run)).toEqual({ ...inLine, read: clock.read() });
      const settling = await table.update(second, { ...second.run, status: "settling" });
      expect(await places()).toEqual([[], [1], [42]]);
      await table.close(settling, closing(settling.run));
      expect(await table.find(held())).toMatchObject({ kind: "closed" });
      await expect(table.insert(held({ sequenceNumber: 1 }))).rejects.toThrow(ConflictError);
    });

    it("are held by one of two writers, who can change it only there", async () => {
      const stored = await table.insert(held({ module: "" }));
      const moved = await table.update(stored, { ...stored.run, module: "thumbnail" });
      expect(numbers(await table.held(source, "", 100))).toEqual([]);
      expect((await open(moved.run)).run.module).toBe("thumbnail");
      await expect(table.update(stored, { ...stored.run, status: "settling" })).rejects.toThrow(ConflictError);
      await table.close(moved, closing(moved.run, { status: "cancelled" }));
      await expect(table.update(moved, moved.run)).rejects.toThrow(ConflictError);
    });

    it("are held for each module and for none apart, by ascending number, a page at a time", async () => {
      for (const [index, module] of ["", "a", "a-b"].entries())
        for (const offset of [5, 1]) await table.insert(held({ sequenceNumber: index + offset * 10, module }));
      const heads = (await table.heldHeads(source)).map(({ run }) => `${run.module} ${run.sequenceNumber}`);
      expect(heads.toSorted()).toEqual([" 10", "a 11", "a-b 12"]);
      const [one] = await table.held(source, "a", 1);
      expect(one?.run.sequenceNumber).toBe(11);
      expect(numbers(await table.held(source, "a", 1, one?.row))).toEqual([51]);
      expect(await table.heldHeads({ queue: "other" })).toEqual([]);
      expect(await table.heads(source)).toEqual([]);
    });

    it("say which runs of a page wait, and no other", async () => {
      const runs = [1, 2, 3, 4, 5].map((sequenceNumber) => waiting({ sequenceNumber }));
      const [, second, third, fourth] = await Promise.all(runs.slice(0, 4).map((run) => table.insert(run)));
      if (second) await table.close(second, closing(second.run));
      if (third) await table.update(third, { ...third.run, notBefore: clock.now() + 5_000 });
      const other = aRun({ sequenceNumber: 4, enqueuedAt: T0 + 1 });
      const back = await table.insert(held({ sequenceNumber: 6 }));
      const known = await table.knownToWait(source, [...runs, other, back.run]);
      expect([...known].toSorted()).toEqual([1, 3, 4, 6].map((number) => `thumbnails:${number}:${T0}`));
      expect(await table.knownToWait(source, [])).toEqual(new Set());

      const far = waiting({ sequenceNumber: 10_000_000 });
      const later = waiting({ sequenceNumber: 10_000_001, enqueuedAt: T0 + 3 * DAY_MS });
      await Promise.all([table.insert(far), table.insert(later)]);
      expect(await table.knownToWait(source, [later, ...runs.slice(0, 2), far])).toEqual(
        new Set([`thumbnails:1:${T0}`, `thumbnails:10000000:${T0}`, `thumbnails:10000001:${T0 + 3 * DAY_MS}`]),
      );
      expect(fourth?.run.sequenceNumber).toBe(4);
    });

    /** Runs of two modules in every place: 1 and 2 at work, 3 to 5 in line, 6 and 7 later, 8 and 9 held. */
    const inAllPlaces = async () => {
      for (const sequenceNumber of [1, 2]) await table.insert(aRun({ sequenceNumber }));
      for (const sequenceNumber of [3, 5])
        await table.insert(waiting({ sequenceNumber, enqueuedAt: T0 + sequenceNumber }));
      await table.insert(waiting({ sequenceNumber: 4, module: "resize", enqueuedAt: T0 + 4 }));
      await putOff(6, 20_000);
      await putOff(7, 10_000);
      for (const sequenceNumber of [8, 9]) await table.insert(aRun({ sequenceNumber, status: "held", module: "" }));
    };

    it("can each be listed whole, page by page", async () => {
      await inAllPlaces();
      const all: Record<string, number[]> = {};
      for (const place of PLACES) {
        const first = await table.inPlace(source, place, 1);
        const rest = await table.inPlace(source, place, 100, first[0]?.row);
        all[place] = numbers([...first, ...rest]);
      }
      expect(all).toEqual({ work: [1, 2], line: [4, 3, 5], later: [7, 6], held: [8, 9] });
    });

    it("are at work with what says whether they hold slots", async () => {
      await table.insert(waiting());
      await table.insert(aRun({ sequenceNumber: 1, status: "accepted", notBefore: T0 + 15_000 }));
      await table.insert(aRun({ sequenceNumber: 2, module: "resize", redrive: 3, dispatchedAt: T0 + 5_000 }));
      const { runs, newer } = await table.slotsAtWork(source);
      const at = { source, enqueuedAt: T0 };
      expect(runs.map(({ run }) => run)).toEqual([
        { ...at, sequenceNumber: 1, module: "thumbnail", status: "accepted", notBefore: T0 + 15_000 },
        {
          ...at,
          sequenceNumber: 2,
          redrive: 3,
          module: "resize",
          status: "dispatched",
          notBefore: aRun().notBefore,
          dispatchedAt: T0 + 5_000,
        },
      ]);
      expect(newer).toEqual([]);
    });

    it("are counted line by line, up to a number, with the time of the first", async () => {
      await inAllPlaces();
      const resize = { module: "resize", count: 1, isMore: false, firstAt: T0 + 4 };
      const thumbnail = { module: "thumbnail", firstAt: T0 + 3 };
      for (const most of [3, 1_000])
        expect(await table.queues(source, "line", most)).toEqual([resize, { ...thumbnail, count: 2, isMore: false }]);
      expect(await table.queues(source, "line", 2)).toEqual([resize, { ...thumbnail, count: 2, isMore: true }]);
      expect(await table.queues(source, "line", 1)).toEqual([
        { ...resize, isMore: true },
        { ...thumbnail, count: 1, isMore: true },
      ]);
      expect(await table.queues(source, "held", 1_000)).toEqual([{ module: "", count: 2, isMore: false, firstAt: T0 }]);
      expect(await table.queues({ queue: "others" }, "line", 1_000)).toEqual([]);
    });

    it("are counted module by module, if they are due times", async () => {
      await inAllPlaces();
      await putOff(10, 30_000, { module: "resize", attempt: 2, enqueuedAt: T0 - 5 });
      await putOff(11, 40_000, { module: "resize", attempt: 2, absentSince: T0, enqueuedAt: T0 - 9 });
      const thumbnail = { module: "thumbnail", count: 2, doubted: 0, first: 2, oldestAt: T0 };
      const resize = { module: "resize", count: 2, doubted: 1, first: 0, oldestAt: T0 - 9 };
      expect(await table.laterCounts(source, 5)).toEqual({ modules: [thumbnail, resize], isMore: false });
      expect(await table.laterCounts(source, 4)).toEqual({ modules: [thumbnail, resize], isMore: true });
      expect(await table.laterCounts(source, 3)).toEqual({
        modules: [thumbnail, { ...resize, count: 1, doubted: 0, oldestAt: T0 - 5 }],
        isMore: true,
      });
      expect(await table.laterCounts({ queue: "others" }, 4)).toEqual({ modules: [], isMore: false });
    });

    it("are counted as old as their redrive, if their letters were redriven", async () => {
      const redriven = { enqueuedAt: T0 - 86_400_000, redrive: 1 };
      await table.insert(waiting({ sequenceNumber: 1, ...redriven }));
      await putOff(2, 10_000, redriven);
      expect(await table.queues(source, "line", 1_000)).toMatchObject([{ count: 1, firstAt: T0 }]);
      expect(await table.laterCounts(source, 1_000)).toMatchObject({ modules: [{ count: 1, oldestAt: T0 }] });
    });

    it("are counted beyond a line that is longer than that", async () => {
      for (const sequenceNumber of [1, 2, 3, 4])
        await table.insert(waiting({ sequenceNumber, module: "a", enqueuedAt: T0 + sequenceNumber }));
      for (const sequenceNumber of [5, 6]) await table.insert(waiting({ sequenceNumber, module: "b" }));
      const counted = (await table.queues(source, "line", 3)).map(({ module, count, isMore }) => [
        module,
        count,
        isMore,
      ]);
      expect(counted).toEqual([
        ["a", 3, true],
        ["b", 2, false],
      ]);
    });

    it("say how many of its module are in front of a run", async () => {
      await inAllPlaces();
      const ahead = (over: Partial<Run>, most = 1_000) => table.ahead(waiting(over), most);
      expect(await ahead({ sequenceNumber: 3, enqueuedAt: T0 + 3 })).toEqual({ count: 0, isMore: false });
      expect(await ahead({ sequenceNumber: 5, enqueuedAt: T0 + 5 })).toEqual({ count: 1, isMore: false });
      // One that waits for its time comes to its old place.
      expect(await ahead({ sequenceNumber: 6, enqueuedAt: T0 + 6, notBefore: T0 + 20_000 })).toEqual({
        count: 2,
        isMore: false,
      });
      expect(await ahead({ sequenceNumber: 6, enqueuedAt: T0 + 6 }, 1)).toEqual({ count: 1, isMore: true });
      expect(await table.ahead(aRun({ sequenceNumber: 9, status: "held", module: "" }), 1_000)).toEqual({
        count: 1,
        isMore: false,
      });
    });
  });
}
