import { expect, it } from "vitest";
import { durationText, parseDuration } from "../../shared/duration.ts";

it.each([
  ["0s", 0],
  ["500ms", 500],
  ["10s", 10_000],
  ["5m", 300_000],
  ["1h", 3_600_000],
  ["30d", 2_592_000_000],
])("reads %s as %i ms", (text, want) => {
  expect(parseDuration(text)).toBe(want);
});

it.each(["", "10", "10 s", "1.5h", "-1s", "1w", "1y", "1S", "01s", "s", "1s ", "9999999999d", "Infinitys"])(
  "reads no duration from %j",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

it.each(["500ms", "90s", "5m", "90m", "36h", "30d", "0ms"])("writes %s as it reads it", (text) => {
  expect(durationText(parseDuration(text) ?? -1)).toBe(text);
});
