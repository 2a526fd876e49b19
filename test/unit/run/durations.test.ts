import { describe, expect, it } from "vitest";
import { addDuration, addDurations, spreadOf } from "../../../shared/run/durations.ts";

const counted = (...all: number[]) => {
  const durations = {};
  for (const ms of all) addDuration(durations, ms);
  return durations;
};

describe("durations", () => {
  it.each([1, 100, 101, 142, 999, 60_000, 86_400_000, 30 * 86_400_000])("say %i ms to a tenth exactly", (ms) => {
    const { medianMs = 0 } = spreadOf(counted(ms)) ?? {};
    expect(medianMs / Math.max(ms, 100)).toBeGreaterThan(0.91);
    expect(medianMs / Math.max(ms, 100)).toBeLessThan(1.1);
  });

  it("say what half of them took at most, and 95 of a hundred", () => {
    const all = Array.from({ length: 100 }, (_, index) => (index + 1) * 1_000);
    const { count, medianMs = 0, p95Ms = 0 } = spreadOf(counted(...all)) ?? {};
    expect(count).toBe(100);
    expect(Math.abs(medianMs / 50_000 - 1)).toBeLessThan(0.1);
    expect(Math.abs(p95Ms / 95_000 - 1)).toBeLessThan(0.1);
  });

  it("add up, and count what a clock that went back makes negative as the shortest", () => {
    const sum = counted(-5, 0, 1_000);
    addDurations(sum, counted(1_000, 50_000));
    expect(sum).toEqual(counted(1, 1, 1_000, 1_000, 50_000));
  });

  it("say nothing of none", () => {
    expect(spreadOf({})).toBeUndefined();
  });
});
