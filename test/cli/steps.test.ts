import { expect, test } from "vitest";
import { stepLines } from "../../cli/runs/steps.ts";
import { MOST_ENTRIES, type TimelineEntry } from "../../shared/run/timeline.ts";

const S = 1_000;
const T = Date.UTC(2026, 0, 1);
const entry = (at: number, what: string, attempt: number, cause?: string): TimelineEntry => ({
  at: T + at * S,
  what,
  attempt,
  ...(cause === undefined ? {} : { cause }),
});
const words = (lines: readonly string[]) => lines.map((line) => line.replace(/^\S+ {2}/, ""));

test("the steps of a run are those of all attempts, and of the last pod, in their order", () => {
  const lines = stepLines(
    {
      attempt: 2,
      timeline: [
        entry(0.5, "accepted", 1),
        entry(1, "job-created", 1),
        entry(4, "attempt-ended", 1, "worker exited with code 1"),
        entry(5, "waiting", 2),
        entry(300.6, "job-created", 2),
        entry(303, "succeeded", 2),
        entry(303.5, "closed", 2),
      ],
      times: {
        enqueuedAt: T,
        acceptedAt: T + 0.5 * S,
        jobCreatedAt: T + 300.6 * S,
        // The cluster tells whole seconds, so that this is before the Job was created.
        podStartedAt: T + 300 * S,
        workStartedAt: T + 301 * S,
        workEndedAt: T + 302 * S,
        closedAt: T + 303.4 * S,
      },
    },
    T + 600 * S,
  );
  expect(lines[0]).toBe("2026-01-01T00:00:00Z  enqueued (10m ago)");
  expect(words(lines).slice(1)).toEqual([
    "accepted (+0.5 s)",
    "attempt 1: Job created (+0.5 s)",
    "attempt 1 ended (+3.0 s): worker exited with code 1",
    "attempt 2 waits (+1.0 s)",
    "attempt 2: Job created (+4m55s)",
    "pod started (+0.0 s)",
    "work began (+0.4 s)",
    "work ended (+1.0 s)",
    "attempt 2 succeeded (+1.0 s)",
    "closed (+0.5 s)",
  ]);
});

test("the steps of a run of an older release are the times of its last attempt", () => {
  const times = { enqueuedAt: T, acceptedAt: T - S, jobCreatedAt: T + 2 * S, closedAt: T + 9 * S };
  const lines = stepLines({ attempt: 1, timeline: [], times }, T + 10 * S);
  expect(words(lines)).toEqual(["enqueued (10s ago)", "accepted (+0.0 s)", "Job created (+2.0 s)", "closed (+7.0 s)"]);
});

test("the steps say what a newer release knows, and that some are missing", () => {
  const timeline = [
    entry(0, "accepted", 1),
    ...Array.from({ length: MOST_ENTRIES - 1 }, (_, n) => entry(n + 10, "renewed", 1)),
  ];
  const lines = words(stepLines({ attempt: 1, timeline, times: { enqueuedAt: T, acceptedAt: T } }, T));
  expect(lines[2]).toMatch(/^here some may be left out/);
  expect(lines[3]).toBe("renewed (+0.0 s)");
});
