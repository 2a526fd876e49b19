import { setTimeout as sleep } from "node:timers/promises";
import type { Finding, FindingKind } from "./audit.ts";

/** How long it waits between two looks, at least. */
const LOOK_MS = 500;
/**
 * It waits so many times as long as the last look took. A look at thousands of messages takes seconds of the process in
 * which the bus is, and redrives would never come to their end if it were always looked at.
 */
const PAUSE_FACTOR = 3;

export interface Patience {
  /** How long to look at most. */
  readonly patienceMs: number;
  /** How long nothing may move, because something may be due a little later. 0 if missing. */
  readonly restMs?: number;
  /** Takes what still moves, after each look at which something does. */
  readonly onMoving?: (moving: readonly Finding[]) => void;
}

/**
 * Looks again and again until everything is at rest, or the patience is over. Resolves to the last look.
 *
 * The records are read page by page, and what changes meanwhile is seen half before and half after. So a look that finds
 * everything at rest is not yet believed: the one that counts begins after it.
 */
export async function untilAtRest<Look extends { readonly findings: readonly Finding[] }>(
  look: () => Promise<Look>,
  { patienceMs, restMs = 0, onMoving }: Patience,
): Promise<Look> {
  const deadline = performance.now() + patienceMs;
  let restingSince: number | undefined;
  for (;;) {
    const beganAt = performance.now();
    const seen = await look();
    const moving = seen.findings.filter(({ kind }) => mayPass(kind));
    if (beganAt > deadline) return seen;
    if (moving.length > 0) {
      restingSince = undefined;
      onMoving?.(moving);
    } else if (restingSince !== undefined && beganAt - restingSince >= restMs) return seen;
    else restingSince ??= performance.now();
    await sleep(Math.max(LOOK_MS, PAUSE_FACTOR * (performance.now() - beganAt)));
  }
}

/** Tells whether a finding of this kind may pass by itself, because its message has not come to its end. */
export function mayPass(kind: FindingKind): boolean {
  return kind === "open" || kind === "orphan";
}
