import type { Run } from "../../shared/run/run.ts";

/** The instant that tests start at: 2026-01-01. */
export const T0 = Date.UTC(2026, 0, 1);

/** A run as it stands after its first attempt was dispatched, with whatever the test says differently. */
export function aRun(over: Partial<Run> = {}): Run {
  return {
    source: { queue: "thumbnails" },
    sequenceNumber: 42,
    enqueuedAt: T0,
    status: "dispatched",
    module: "thumbnail",
    messageId: "m-1",
    acceptedAt: T0,
    attempt: 1,
    failures: 0,
    interruptions: 0,
    bodyInBlob: false,
    notBefore: T0,
    busyCount: 0,
    ...over,
  };
}
