import { expect, it } from "vitest";
import { retryAfterMs } from "../../../shared/adapters/retry-after.ts";

/** When the server answered, by a clock that need not be this machine's. */
const ANSWERED = "Thu, 01 Jan 2026 00:00:00 GMT";

it.each([
  { name: "seconds", header: "7", want: 7_000 },
  { name: "a date", header: "Thu, 01 Jan 2026 00:00:09 GMT", want: 9_000 },
  { name: "a date that has passed", header: "Wed, 31 Dec 2025 00:00:00 GMT", want: 0 },
  { name: "seconds below 0", header: "-1", want: 0 },
  { name: "neither", header: "soon", want: undefined },
  { name: "no header", header: undefined, want: undefined },
])("reads $name", ({ header, want }) => {
  expect(retryAfterMs(header, ANSWERED)).toBe(want);
});

it("can't read a date in an answer that does not say when it was sent", () => {
  expect(retryAfterMs("Thu, 01 Jan 2026 00:00:09 GMT", undefined)).toBeUndefined();
  expect(retryAfterMs("7", undefined)).toBe(7_000);
});
