import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import type { StoredRun } from "../../shared/ports/run-table.ts";
import { closed, reopened } from "../../shared/run/change-run.ts";
import { type GateScope, type GateState, gateName } from "../../shared/run/gate-state.ts";
import type { ClosedRun, Run } from "../../shared/run/run.ts";
import type { Source } from "../../shared/run/source.ts";
import { aRun, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { openRuns } from "../support/open-runs.ts";
import { makeTestClock, type TestClock } from "../support/test-clock.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** A run with a value in every field. */
const fullRun: Run = {
  ...aRun(),
  correlationId: "c-1",
  subject: "image.uploaded",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  expiresAt: T0 + 14 * DAY_MS,
  attempt: 3,
  failures: 1,
  interruptions: 1,
  bodyInBlob: true,
  notBefore: T0 + 10_000,
  dispatchedAt: T0 + 11_000,
  jobOverdueAt: T0 + 60_000,
  jobName: "thumbnail-0a1b2c3d-16-3",
  jobUid: "0b0f7a4e-7f3c-4a53-8f0e-2d7a3b1c9d11",
  endOrdered: {
    reason: "JobFailed",
    kind: "failure",
    permanent: false,
    detail: "exit code 1: no such image",
    exitCode: 1,
  },
  verdict: { outcome: "failed", reason: "JobFailed", description: "attempt 3 of 3: exit code 1", exitCode: 1 },
  lastError: "exit code 1",
  logsUrl: "https://example.test/logs/1",
  absentSince: T0 + 5_000,
  busyCount: 2,
};

export function closing(run: Run, over: Partial<ClosedRun> = {}): ClosedRun {
  return { ...run, status: "succeeded", verdict: { outcome: "succeeded" }, closedAt: T0 + 60_000, ...over };
}

/** Checks the rules of a RunTable, whatever holds its rows. `make` makes an empty one. */
export function describeRunTable(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`${name} as a RunTable`, () => {
    let clock: TestClock;
    let table: Tables;
    beforeEach(async () => {
      clock = makeTestClock();
      table = await make(clock);
    });
    const open = async (run: Run): Promise<StoredRun> => {
      const found = await table.find(run);
      if (found.kind !== "open") throw new Error(`The run is ${found.kind}.`);
      return found.stored;
    };

    it("gives back every field of a run", async () => {
      await table.insert(fullRun);
      expect((await open(fullRun)).run).toEqual(fullRun);
      expect((await openRuns(table, fullRun.source)).map(({ run }) => run)).toEqual([fullRun]);
    });

    it("does what is asked of it at once as if each came alone", async () => {
      const runs = Array.from({ length: 60 }, (_, n) => aRun({ sequenceNumber: n + 1 }));
      const taken = runs.filter(({ sequenceNumber }) => sequenceNumber % 20 === 0);
      for (const run of taken) await table.insert(run);
      const inserts = await Promise.allSettled(runs.map((run) => table.insert(run)));
      const stored = inserts.flatMap((insert) => (insert.status === "fulfilled" ? [insert.value] : []));
      const refused = inserts.flatMap((insert) => (insert.status === "rejected" ? [insert.reason] : []));
      expect(refused).toEqual(taken.map(() => expect.any(ConflictError)));
      expect(stored).toHaveLength(runs.length - taken.length);

      // The batch mixes updates, closings and inserts. One row in ten has changed meanwhile.
      for (const [n, one] of stored.entries())
        if (n % 10 === 0) await table.update(one, { ...one.run, lastError: "somebody else's" });
      const changes = await Promise.allSettled(
        stored.map((one, n) =>
          n % 3 === 0 ? table.close(one, closing(one.run)) : table.update(one, { ...one.run, lastError: `ours, ${n}` }),
        ),
      );
      const late = await table.insert(aRun({ sequenceNumber: 999 }));
      expect(changes.map(({ status }) => status)).toEqual(
        stored.map((_, n) => (n % 10 === 0 ? "rejected" : "fulfilled")),
      );
      expect((await openRuns(table, late.run.source)).map(({ run }) => [run.sequenceNumber, run.lastError])).toEqual(
        [
          ...stored.flatMap(({ run: { sequenceNumber } }, n) => {
            if (n % 10 === 0) return [[sequenceNumber, "somebody else's"]];
            return n % 3 === 0 ? [] : [[sequenceNumber, `ours, ${n}`]];
          }),
          ...taken.map(({ sequenceNumber }) => [sequenceNumber, undefined]),
          [999, undefined],
        ].toSorted(([a], [b]) => Number(a) - Number(b)),
      );
      // Each row has the version that its result names.
      for (const [n, change] of changes.entries()) {
        if (change.status === "fulfilled" && change.value)
          await table.update(change.value, { ...change.value.run, attempt: n + 1 });
      }
    });

    it("tells each of many changes that come at once which version it made", async () => {
      const runs = Array.from({ length: 60 }, (_, n) => aRun({ sequenceNumber: n + 1, lastError: `${n}` }));
      const inserted = await Promise.all(runs.map((run) => table.insert(run)));
      const late = aRun({ sequenceNumber: 999 });
      const [changed] = await Promise.all([
        Promise.all(inserted.slice(20).map((one) => table.update(one, { ...one.run, attempt: 2 }))),
        Promise.all(inserted.slice(0, 20).map((one) => table.close(one, closing(one.run)))),
        table.insert(late),
      ]);
      for (const one of changed) await table.update(one, { ...one.run, attempt: 3 });
      for (const one of inserted) await expect(table.update(one, one.run)).rejects.toThrow(ConflictError);
      expect((await openRuns(table, late.source)).map(({ run }) => run)).toEqual([
        ...runs.slice(20).map((run) => ({ ...run, attempt: 3 })),
        late,
      ]);
    });

    it("takes one run that is inserted many times at once", async () => {
      const inserts = await Promise.allSettled(Array.from({ length: 12 }, () => table.insert(aRun())));
      expect(inserts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });

    it("gives back a run without its optional fields as it was", async () => {
      await table.insert(aRun());
      expect((await open(aRun())).run).toStrictEqual(aRun());
    });

    it("finds nothing where nothing was inserted", async () => {
      expect(await table.find(aRun())).toEqual({ kind: "none" });
      expect(await openRuns(table, aRun().source)).toEqual([]);
    });

    it("takes the clocks' reading before it asks", async () => {
      const inserted = await table.insert(aRun());
      expect(inserted.read).toEqual(clock.read());
      clock.advance(5_000);
      expect((await open(aRun())).read).toEqual(clock.read());
      expect((await openRuns(table, aRun().source))[0]?.read).toEqual(clock.read());
    });

    it("refuses a second insert of the same run", async () => {
      await table.insert(aRun({ messageId: "first" }));
      await expect(table.insert(aRun({ messageId: "second" }))).rejects.toThrow(ConflictError);
      expect((await open(aRun())).run.messageId).toBe("first");
    });

    it("lets one of many inserts of the same run win", async () => {
      const inserts = Array.from({ length: 8 }, (_, n) => table.insert(aRun({ messageId: `m-${n}` })));
      const outcomes = await Promise.allSettled(inserts);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const refusals = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
      expect(refusals.filter((reason) => !(reason instanceof ConflictError))).toEqual([]);
    });

    it("keeps a recreated entity's message apart from the old one of the same number", async () => {
      const old = aRun();
      const young = aRun({ enqueuedAt: T0 + 1_000, acceptedAt: T0 + 1_000, messageId: "young" });
      const stored = await table.insert(old);
      expect(await table.find(young)).toEqual({ kind: "none" });
      await table.insert(young);
      expect((await open(young)).run).toEqual(young);
      expect((await open(old)).run).toEqual(old);

      await table.close(stored, closing(old));
      expect((await open(young)).run).toEqual(young);
      expect(await table.find(old)).toMatchObject({ kind: "closed", run: { messageId: "m-1" } });
    });

    it("updates a run and hands out the ETag for the next update", async () => {
      let stored = await table.insert(aRun({ status: "accepted" }));
      stored = await table.update(stored, { ...stored.run, status: "waiting" });
      stored = await table.update(stored, { ...stored.run, status: "dispatched", jobName: "job-1" });
      expect(await open(aRun())).toEqual(stored);
      expect(stored.run).toMatchObject({ status: "dispatched", jobName: "job-1" });
    });

    it("drops a field that an update leaves out", async () => {
      const stored = await table.insert(fullRun);
      await table.update(stored, aRun({ attempt: 4 }));
      expect((await open(aRun())).run).toStrictEqual(aRun({ attempt: 4 }));
    });

    it("refuses an update of a run that another process has changed", async () => {
      const stale = await table.insert(aRun({ status: "waiting" }));
      await table.update(stale, { ...stale.run, status: "dispatched" });
      await expect(table.update(stale, { ...stale.run, lastError: "mine" })).rejects.toThrow(ConflictError);
      expect((await open(aRun())).run).toEqual(aRun({ status: "dispatched" }));
    });

    it("refuses an update of a run that was closed", async () => {
      const stored = await table.insert(aRun());
      await table.close(stored, closing(stored.run));
      await expect(table.update(stored, stored.run)).rejects.toThrow(ConflictError);
      expect(await openRuns(table, aRun().source)).toEqual([]);
    });

    it("refuses to replace a run by another one", async () => {
      const stored = await table.insert(aRun());
      await expect(table.update(stored, aRun({ sequenceNumber: 43 }))).rejects.toThrow(/thumbnails:43/);
    });

    it("says closed, with every field, after a close, and refuses the identity for ever", async () => {
      const stored = await table.insert(fullRun);
      const closed = closing(fullRun, { status: "failed", verdict: fullRun.verdict! });
      await table.close(stored, closed);
      expect(await table.find(fullRun)).toEqual({ kind: "closed", run: closed, etag: expect.any(String) });
      await expect(table.insert(fullRun)).rejects.toThrow(ConflictError);
      expect(await openRuns(table, fullRun.source)).toEqual([]);
    });

    it("lets one of two closers win", async () => {
      const stored = await table.insert(aRun());
      const outcomes = await Promise.allSettled([
        table.close(stored, closing(stored.run)),
        table.close(
          stored,
          closing(stored.run, { status: "failed", verdict: { outcome: "failed", reason: "JobFailed" } }),
        ),
      ]);
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      const winner = outcomes[0]?.status === "fulfilled" ? "succeeded" : "failed";
      expect(await table.find(aRun())).toMatchObject({ kind: "closed", run: { status: winner } });
    });

    it("refuses to close a run that another process has changed, and leaves it open", async () => {
      const stale = await table.insert(aRun({ status: "settling" }));
      const current = await table.update(stale, { ...stale.run, lastError: "theirs" });
      await expect(table.close(stale, closing(stale.run))).rejects.toThrow(ConflictError);
      expect(await open(aRun())).toEqual({ ...current, read: clock.read() });
    });

    it("reopens a lost run, for which it is open again and closable again", async () => {
      const lost = closing(aRun(), { status: "lost", verdict: { outcome: "lost" } });
      await table.close(await table.insert(aRun()), lost);
      const found = await table.find(aRun());
      if (found.kind !== "closed") throw new Error("not closed");
      const reopened = await table.reopen(found, aRun({ status: "waiting" }));
      expect(await open(aRun())).toEqual(reopened);
      await expect(table.reopen(found, aRun())).rejects.toThrow(ConflictError);
      await table.close(await table.update(reopened, reopened.run), closing(aRun()));
      expect(await table.find(aRun())).toMatchObject({ kind: "closed", run: { status: "succeeded" } });
    });

    it("remembers of a lost run whether it was held, and forgets it once the run is open again", async () => {
      const run = aRun({ status: "held" });
      await table.close(await table.insert(run), closed(run, { outcome: "lost" }, clock.now()));
      const found = await table.find(run);
      if (found.kind !== "closed") throw new Error("not closed");
      expect(found.run).toMatchObject({ status: "lost", wasHeld: true });
      const again = await table.reopen(found, reopened(found.run, clock.now()));
      expect(again.run.status).toBe("held");
      await table.close(await table.update(again, aRun()), closing(aRun()));
      expect(await table.find(run)).toMatchObject({
        kind: "closed",
        run: expect.not.objectContaining({ wasHeld: true }),
      });
    });

    it("never brings an ETag back, also not where a run is opened again at the key of a closed one", async () => {
      const old: StoredRun[] = [await table.insert(aRun())];
      for (let round = 0; round < 20; round += 1) {
        const updated = await table.update(await open(aRun()), aRun());
        await table.close(updated, closing(aRun()));
        const found = await table.find(aRun());
        if (found.kind !== "closed") throw new Error("not closed");
        old.push(updated, await table.reopen(found, aRun()));
      }
      const current = old.pop();
      expect(new Set([...old, current].map((stored) => stored?.etag)).size).toBe(old.length + 1);
      for (const stale of old) {
        await expect(table.update(stale, aRun({ lastError: "stale" }))).rejects.toThrow(ConflictError);
        await expect(table.close(stale, closing(aRun()))).rejects.toThrow(ConflictError);
      }
      expect(await open(aRun())).toEqual({ ...current, read: clock.read() });
    });

    describe("the places of a run", () => {
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
        ];
        expect(await places()).toEqual([[], [], []]);
        expect(await table.later(source, 100)).toEqual({ due: [], others: true });
        clock.advance(10_000);
        expect(await places()).toEqual([[], [1], []]);
        stored = await table.update(stored, stored.run);
        expect(await places()).toEqual([[], [], [1]]);
        expect(await open(stored.run)).toEqual({ ...stored, read: clock.read() });
        stored = await table.update(stored, { ...stored.run, status: "dispatched" });
        expect(await places()).toEqual([[1], [], []]);
        stored = await table.update(stored, { ...stored.run, status: "settling" });
        expect(await open(stored.run)).toEqual({ ...stored, read: clock.read() });
        expect(await places()).toEqual([[1], [], []]);
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
    });

    it("lists open runs by ascending sequence number", async () => {
      for (const sequenceNumber of [100, 9, 2 ** 53 - 1, 20, 1]) await table.insert(aRun({ sequenceNumber }));
      const numbers = (await openRuns(table, aRun().source)).map(({ run }) => run.sequenceNumber);
      expect(numbers).toEqual([1, 9, 20, 100, 2 ** 53 - 1]);
    });

    it("lists runs with ETags that allow their next update and close", async () => {
      await table.insert(aRun());
      const [listed] = await openRuns(table, aRun().source);
      if (listed === undefined) throw new Error("not listed");
      await table.close(await table.update(listed, { ...listed.run, status: "settling" }), closing(listed.run));
      expect(await openRuns(table, aRun().source)).toEqual([]);
    });

    it.each<{ what: string; a: Source; b: Source }>([
      { what: "a queue and a topic", a: { queue: "a" }, b: { topic: "a", subscription: "a" } },
      { what: "a/b and a_b", a: { queue: "a/b" }, b: { queue: "a_b" } },
      { what: "a_2fb and a/b", a: { queue: "a_2fb" }, b: { queue: "a/b" } },
      { what: "two subscriptions", a: { topic: "t", subscription: "one" }, b: { topic: "t", subscription: "two" } },
    ])("keeps the runs of two sources apart: $what", async ({ a, b }) => {
      await table.insert(aRun({ source: a, messageId: "of a" }));
      await table.insert(aRun({ source: b, messageId: "of b" }));
      expect((await openRuns(table, a)).map(({ run }) => run.messageId)).toEqual(["of a"]);
      expect((await openRuns(table, b)).map(({ run }) => run.messageId)).toEqual(["of b"]);
    });

    it("holds names that differ only in case for one source", async () => {
      await table.insert(aRun({ source: { queue: "Thumbnails" } }));
      await expect(table.insert(aRun({ source: { queue: "thumbnails" } }))).rejects.toThrow(ConflictError);
      expect(await table.find(aRun({ source: { queue: "THUMBNAILS" } }))).toMatchObject({ kind: "open" });
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

    it.each([
      { what: "any Unicode", text: "ключ 鍵 🔑 \u0301 \u202e \u2028 \ufffe" },
      { what: "NUL and control characters", text: "a\u0000b\u0007\t\r\n\u001b[0m" },
      { what: "variable references", text: "$(HOME) ${HOME} %PATH% {{x}}" },
      {
        what: "quotes and path characters",
        text: `'"\`/\\#?%2F%00|--changeset_1\r\nDELETE /x HTTP/1.1\r\nIf-Match: *`,
      },
      { what: "nothing at all", text: "" },
    ])("gives back the sender's text with $what in it", async ({ text }) => {
      const run = aRun({ messageId: text, correlationId: text, subject: text });
      await table.insert(run);
      const stored = await table.update(await open(run), { ...run, lastError: text });
      expect((await open(run)).run).toEqual({ ...run, lastError: text });
      await table.close(stored, closing(stored.run));
      expect(await table.find(run)).toMatchObject({ kind: "closed", run: { messageId: text, lastError: text } });
    });

    it("purges by the time of closing, not of enqueueing, and no open run", async () => {
      const { source } = aRun();
      const enqueuedAt = T0 - 40 * DAY_MS;
      await table.insert(aRun({ sequenceNumber: 1, enqueuedAt }));
      for (const [sequenceNumber, closedAt] of [
        [2, T0 - 31 * DAY_MS],
        [3, T0 - 29 * DAY_MS],
        [4, T0 - 30 * DAY_MS],
      ] as const) {
        const run = aRun({ sequenceNumber, enqueuedAt });
        await table.close(await table.insert(run), closing(run, { closedAt }));
      }
      expect(await table.purge({ queue: "other" }, T0, 100)).toBe(0);
      expect(await table.purge(source, T0 - 30 * DAY_MS, 100)).toBe(1);
      const kinds = [1, 2, 3, 4].map(
        async (sequenceNumber) => (await table.find(aRun({ sequenceNumber, enqueuedAt }))).kind,
      );
      expect(await Promise.all(kinds)).toEqual(["open", "none", "closed", "closed"]);
    });

    it("purges a run that closed on the day it was enqueued", async () => {
      await table.close(await table.insert(aRun()), closing(aRun(), { closedAt: T0 + 1 }));
      expect(await table.purge(aRun().source, T0 + 2, 100)).toBe(1);
    });

    it("purges no more than it was told to, and the rest the next time", async () => {
      for (let sequenceNumber = 1; sequenceNumber <= 5; sequenceNumber += 1) {
        const run = aRun({ sequenceNumber });
        await table.close(await table.insert(run), closing(run));
      }
      expect(await table.purge(aRun().source, T0 + DAY_MS, 3)).toBe(3);
      expect(await table.purge(aRun().source, T0 + DAY_MS, 3)).toBe(2);
      expect(await table.purge(aRun().source, T0 + DAY_MS, 3)).toBe(0);
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
      expect(await table.lastTick()).toBe(T0 + 2);
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

    it("always names the same owner", async () => {
      const owners = await Promise.all([table.owner(), table.owner()]);
      expect(owners).toEqual([owners[0], owners[0]]);
      expect(await table.owner()).toBe(owners[0]);
      expect(owners[0]).not.toBe("");
    });
  });
}
