import { describe, expect, it } from "vitest";
import { readTick, writeTick } from "../../../shared/adapters/tables/tick-entity.ts";
import type { TickCounts } from "../../../shared/run/tick-counts.ts";
import { T0 } from "../../support/a-run.ts";

const COUNTS: TickCounts = {
  atWork: { thumbnail: { byStatus: { dispatched: 2 }, heldUpBy: {}, busy: 0, oldestAt: T0 } },
  left: {},
  notStarted: 0,
  failed: 0,
  postponed: 0,
};

describe("the row of the tick", () => {
  it("has columns that the service takes, however many modules are counted", () => {
    const [thumbnail] = Object.values(COUNTS.atWork);
    if (!thumbnail) throw new Error("no module");
    const atWork = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`module-${n}`, thumbnail]));
    const columns = writeTick(T0, { ...COUNTS, atWork });
    const texts = Object.values(columns).filter((value) => typeof value === "string");
    expect(texts.length).toBeGreaterThan(3);
    expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(32_768);
    expect(readTick(columns)).toEqual({ at: T0, counts: { ...COUNTS, atWork } });
  });

  it.each([
    { what: "an older release's", columns: {} },
    { what: "cut short", columns: { counts: JSON.stringify(COUNTS).slice(0, 50) } },
    { what: "of a layout that is not known", columns: { counts: JSON.stringify({ ...COUNTS, failed: "many" }) } },
    { what: "of another type", columns: { counts: 5 } },
  ])("tells its time without counts if they are $what", ({ columns }) => {
    expect(readTick({ at: new Date(T0), ...columns })).toEqual({ at: T0 });
  });

  it("keeps to what it knows of a newer release's counts", () => {
    const counts = JSON.stringify({ ...COUNTS, later: 7 });
    expect(readTick({ at: new Date(T0), counts })).toEqual({ at: T0, counts: COUNTS });
  });

  it("keeps what an older release's tick saw, which did not count Jobs apart", () => {
    const counts = { ...COUNTS, seen: { at: T0, overdue: 0, orphans: 2, undelivered: 0 } };
    expect(readTick({ at: new Date(T0), counts: JSON.stringify(counts) })).toEqual({ at: T0, counts });
  });

  it("is none without a time", () => {
    expect(readTick({ counts: JSON.stringify(COUNTS) })).toBeUndefined();
  });
});
