import { expect, test } from "vitest";
import { counted, countText, lengthText, timeText } from "../../cli/text/times.ts";

test.each([
  [0, "0s"],
  [999, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [150_000, "2m30s"],
  [750_000, "12m"],
  [3_600_000 + 59_000, "1h"],
  [4 * 86_400_000 + 2 * 3_600_000, "4d2h"],
  [40 * 86_400_000 + 2 * 3_600_000, "40d"],
])("writes a length of %i ms as %s", (ms, text) => {
  expect(lengthText(ms)).toBe(text);
});

test("writes times and counts", () => {
  expect(timeText(0)).toBe("1970-01-01T00:00:00Z");
  expect([counted(1, "run"), counted(0, "run")]).toEqual(["1 run", "0 runs"]);
  expect(countText({ count: 1000, isMore: true })).toBe("1000 or more");
});
