import { describe, expect, it } from "vitest";
import type { Module } from "../../../shared/modules/module.ts";
import type { RunTable } from "../../../shared/ports/run-table.ts";
import type { Run } from "../../../shared/run/run.ts";
import { makeAdmission } from "../../../shared/start/admission.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { makeTestClock } from "../../support/test-clock.ts";

function setUp(over: Partial<Module> = {}) {
  const clock = makeTestClock();
  const table = makeFakeRunTable({ clock });
  const module = aModule({ maxActive: 2, ...over });
  const admission = makeAdmission(table, clock, { slotsOf: ({ maxActive }) => maxActive });
  const admit = (sequenceNumber: number) => admission.admit(module, aRun({ sequenceNumber, status: "accepted" }));
  return { clock, table, module, admission, admit, admits: async (n: number) => (await admit(n)) !== undefined };
}

describe("admission", () => {
  it("admits up to maxActive, and counts the messages that it admitted itself", async () => {
    const { admits } = setUp();
    expect([await admits(1), await admits(2), await admits(3)]).toEqual([true, true, false]);
  });

  it("counts the Jobs of dispatched rows", async () => {
    const { admits, table } = setUp();
    await table.insert(aRun({ sequenceNumber: 1, status: "dispatched" }));
    await table.insert(aRun({ sequenceNumber: 2, status: "dispatched" }));
    expect(await admits(3)).toBe(false);
  });

  it("lets no message pass an older run whose time has come", async () => {
    const { admits, table } = setUp();
    await table.insert(aRun({ sequenceNumber: 1, status: "waiting" }));
    expect(await admits(2)).toBe(false);
  });

  it("lets a message pass an older run that is backing off", async () => {
    const { admits, table, clock } = setUp();
    const stored = await table.insert(aRun({ sequenceNumber: 1, status: "waiting" }));
    await table.update(stored, { ...stored.run, notBefore: clock.now() + 60_000 });
    expect(await admits(2)).toBe(true);
  });

  it("counts again after ten seconds, so that a slot that was never used comes free", async () => {
    const { admit, admits, clock } = setUp({ maxActive: 1 });
    const slot = await admit(1);
    expect(await admits(2)).toBe(false);
    slot?.release();
    clock.advance(10_001);
    expect(await admits(2)).toBe(true);
  });

  it("admits no message of a module that the operator paused", async () => {
    const { admits } = setUp({ maxActive: 0 });
    expect(await admits(1)).toBe(false);
  });
});

describe("a count that is taken while this process starts a run", () => {
  const accepted = aRun({ sequenceNumber: 1, status: "accepted" });
  const waiting = aRun({ sequenceNumber: 1, status: "waiting" });

  /** Has the table answer each of the next reads with one of these lists. */
  function readsOf(table: RunTable, ...answers: (() => Promise<Run[]>)[]) {
    table.atWork = async () => ({
      runs: ((await answers.shift()?.()) ?? []).map((run) => ({
        run,
        etag: "e",
        row: "r",
        read: makeTestClock().read(),
      })),
      newer: [],
    });
  }

  it.each([
    { when: "whose row was read before its Job was recorded", rows: [accepted] },
    { when: "whose row was not there yet", rows: [] },
    { when: "whose row has its Job", rows: [aRun({ sequenceNumber: 1, status: "dispatched" })] },
  ])("counts the slot of a run $when, once", async ({ rows }) => {
    const { admission, admits, module, table } = setUp({ maxActive: 2 });
    await admits(1);
    readsOf(table, async () => rows);
    await admission.countAtWork(module.source);
    expect([await admits(2), await admits(3)]).toEqual([true, false]);
  });

  it("counts a start that ended after the count began, because the rows may be older", async () => {
    const { admission, admit, admits, module, table } = setUp({ maxActive: 1 });
    await admission.countAtWork(module.source);
    readsOf(table, async () => {
      (await admit(1))?.release();
      return [accepted];
    });
    await admission.countAtWork(module.source);
    expect(await admits(2)).toBe(false);
  });

  it("takes the rows' word for a start that ended before the count began", async () => {
    const { admission, admit, admits, module, table } = setUp({ maxActive: 1 });
    (await admit(1))?.release();
    readsOf(table, async () => [accepted]);
    await admission.countAtWork(module.source);
    expect(await admits(2)).toBe(true);
  });

  it("counts a run that a tick is starting", async () => {
    const { admission, admits, module, table } = setUp({ maxActive: 1 });
    await admission.countAtWork(module.source);
    expect(admission.take(module, waiting)).toBeDefined();
    readsOf(table, async () => [waiting]);
    await admission.countAtWork(module.source);
    expect(await admits(2)).toBe(false);
  });

  it("gives a tick the slot of the start that it takes over from a trigger", async () => {
    const { admission, admits, module, table } = setUp({ maxActive: 1 });
    await admits(1);
    readsOf(table, async () => [accepted]);
    await admission.countAtWork(module.source);
    expect(admission.take(module, accepted)).toBeDefined();
    expect(admission.take(module, aRun({ sequenceNumber: 2, status: "waiting" }))).toBeUndefined();
  });
});

describe("a slot that is given up", () => {
  const [first, second] = [1, 2].map((sequenceNumber) => aRun({ sequenceNumber, status: "dispatched" }));
  if (!first || !second) throw new Error("there are two");

  it("is free at once, and only once, by the count of the process that gave it up", async () => {
    const { table, module, admission } = setUp();
    await table.insert(first);
    await table.insert(second);
    await admission.countAtWork(module.source);
    expect(admission.free(module)).toBe(0);
    admission.vacate(first);
    admission.vacate(first);
    expect(admission.free(module)).toBe(1);
  });

  it("changes nothing if the count was taken after the write", async () => {
    const { table, module, admission } = setUp();
    await table.insert(second);
    await admission.countAtWork(module.source);
    admission.vacate(first);
    expect(admission.free(module)).toBe(1);
  });

  it("stays free if a count that read the row before is still under way", async () => {
    const { table, module, admission } = setUp();
    await table.insert(first);
    await table.insert(second);
    const atWork = table.atWork.bind(table);
    table.atWork = async (source) => {
      const read = await atWork(source);
      admission.vacate(first);
      return read;
    };
    await admission.countAtWork(module.source);
    expect(admission.free(module)).toBe(1);
    expect(admission.take(module, first)).toBeDefined();
    expect(admission.free(module)).toBe(0);
  });
});
