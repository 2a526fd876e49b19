import { beforeEach, describe, expect, it } from "vitest";
import { ConflictError } from "../../shared/errors.ts";
import type { StoredRun } from "../../shared/ports/run-table.ts";
import { closed, reopened } from "../../shared/run/change-run.ts";
import type { Run } from "../../shared/run/run.ts";
import type { Source } from "../../shared/run/source.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import type { Tables } from "../support/fake-run-table.ts";
import { openRun, openRuns } from "../support/open-runs.ts";
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
  verdict: {
    outcome: "failed",
    reason: "JobFailed",
    description: "attempt 3 of 3: exit code 1",
    exitCode: 1,
    unbegun: false,
  },
  lastError: "exit code 1",
  logsUrl: "https://example.test/logs/1",
  absentSince: T0 + 5_000,
  busyCount: 2,
  timeline: [
    { at: T0, what: "accepted", attempt: 1 },
    { at: T0 + 10_000, what: "attempt-ended", attempt: 1, cause: "exit code 1" },
  ],
};

/**
 * Checks the rules of a RunTable, whatever holds its rows. `make` makes an empty one. The places of open runs have a
 * contract of their own.
 */
export function describeRunTable(name: string, make: (clock: TestClock) => Promise<Tables>): void {
  describe(`${name} as a RunTable`, () => {
    let clock: TestClock;
    let table: Tables;
    beforeEach(async () => {
      clock = makeTestClock();
      table = await make(clock);
    });
    const open = (run: Run) => openRun(table, run);

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
  });
}
