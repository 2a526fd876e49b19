import type { CoreV1Event } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";

/** Says when what an event tells last happened, in ms; undefined if it has no time. */
export function lastSeen(event: CoreV1Event): EpochMs | undefined {
  const at =
    event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  return at === undefined ? undefined : new Date(at).getTime();
}
