import { createHash } from "node:crypto";
import { type RunKey, runId } from "./run.ts";

/**
 * Says how long to wait before the next attempt, in ms: `firstMs` doubled with each earlier attempt, at most `maxMs`,
 * and of that between a half and the whole. The jitter comes from the run's id instead of a random number, so that
 * deciding twice gives the same answer.
 */
export function backoffMs(
  key: RunKey,
  earlier: number,
  limits: { readonly firstMs: number; readonly maxMs: number },
): number {
  const whole = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(earlier, 40));
  const hash = createHash("sha256")
    .update(`${runId(key)}:${earlier}`)
    .digest();
  return Math.round(whole * (0.5 + hash.readUInt32BE(0) / 2 ** 33));
}
