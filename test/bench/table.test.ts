import { describe, expect, it } from "vitest";
import { aligned, paired, spread } from "../../bench/table.ts";

describe("a line that compares rounds", () => {
  const itself = (value: number) => value;

  it("has the median of the rounds' ratios, and the smallest and the largest, beside the medians", () => {
    const rounds = { app: [10, 40, 90], bare: [10, 20, 30] };
    expect(paired("speed", rounds, itself, 0, ">= 1.3")).toEqual({
      what: "speed",
      app: "40",
      bare: "20",
      ratio: "2.00 (1.00 to 3.00)",
      target: ">= 1.3",
    });
  });

  it("has no spread if there was one round, and says if nothing was measured", () => {
    expect(paired("speed", { app: [3], bare: [2] }, itself, 1).ratio).toBe("1.50");
    expect(spread([Number.NaN, Number.NaN], 1)).toBe("not measured");
  });
});

it("columns are as wide as their widest cell", () => {
  expect(aligned([["", "app"], ["messages per second", "1"], ["ms"]])).toBe(
    ["                     app", "messages per second    1", "ms"].join("\n"),
  );
});
