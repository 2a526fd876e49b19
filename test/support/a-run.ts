import { newRun } from "../../shared/run/new-run.ts";
import type { ClosedRun, Run } from "../../shared/run/run.ts";

/** The instant that tests start at: 2026-01-01. */
export const T0 = Date.UTC(2026, 0, 1);

/** A run as it is after its first attempt was dispatched, changed by `over`. */
export function aRun(over: Partial<Run> = {}): Run {
  const key = { source: { queue: "thumbnails" }, sequenceNumber: 42, enqueuedAt: T0 };
  const message = { messageId: "m-1", properties: {} };
  return {
    ...newRun({ key, message, module: "thumbnail", bodyInBlob: false, now: T0 }),
    status: "dispatched",
    ...over,
  };
}

/** The run as it is after it was closed as succeeded, changed by `over`. */
export function closing(run: Run, over: Partial<ClosedRun> = {}): ClosedRun {
  return { ...run, status: "succeeded", verdict: { outcome: "succeeded" }, closedAt: T0 + 60_000, ...over };
}
