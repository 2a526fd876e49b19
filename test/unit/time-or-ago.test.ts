import { expect, it } from "vitest";
import { timeOrAgo } from "../../shared/time-or-ago.ts";

const NOW = Date.UTC(2026, 0, 31, 12);

it.each([
  ["2h", NOW - 7_200_000],
  ["3d", NOW - 3 * 86_400_000],
  ["999999999d", 0],
  ["today", Date.UTC(2026, 0, 31)],
  ["Yesterday", Date.UTC(2026, 0, 30)],
  ["2026-01-31", Date.UTC(2026, 0, 31)],
  ["2026-01-31T08:00Z", Date.UTC(2026, 0, 31, 8)],
  ["2026-01-31 08:00:00Z", Date.UTC(2026, 0, 31, 8)],
])("reads %s", (text, time) => {
  expect(timeOrAgo(text, NOW)).toBe(time);
});

it.each(["", "0h", "2", "tomorrow", "2026-01-32", "31.1.2026", "2026"])("reads no time from %j", (text) => {
  expect(timeOrAgo(text, NOW)).toBeUndefined();
});
