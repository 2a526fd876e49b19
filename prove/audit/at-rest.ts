import { setTimeout as sleep } from "node:timers/promises";
import type { Finding } from "./audit.ts";

const LOOK_MS = 500;

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
    const moving = seen.findings.filter(isMoving);
    if (beganAt > deadline) return seen;
    if (moving.length > 0) {
      restingSince = undefined;
      onMoving?.(moving);
    } else if (restingSince !== undefined && beganAt - restingSince >= restMs) return seen;
    else restingSince ??= performance.now();
    await sleep(LOOK_MS);
  }
}

/** Says whether something may look different a moment later, because its message has not come to its end. */
function isMoving({ kind }: Finding): boolean {
  return kind === "open" || kind === "orphan";
}
