import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { retryAfterMs } from "../../../shared/adapters/retry-after.ts";

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }));
afterEach(() => void vi.useRealTimers());

it.each([
  { name: "seconds", header: "7", want: 7_000 },
  { name: "a date", header: "Thu, 01 Jan 2026 00:00:09 GMT", want: 9_000 },
  { name: "a date that has passed", header: "Wed, 31 Dec 2025 00:00:00 GMT", want: 0 },
  { name: "seconds below 0", header: "-1", want: 0 },
  { name: "neither", header: "soon", want: undefined },
  { name: "no header", header: undefined, want: undefined },
])("reads $name", ({ header, want }) => {
  expect(retryAfterMs(header)).toBe(want);
});
