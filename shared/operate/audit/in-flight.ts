import type { Dependencies } from "../../dependencies.ts";

/** Two ticks that list the Jobs. */
const TWO_TICKS_MS = 2 * 60_000;

/**
 * How long things may disagree because somebody is at work on them: until two ticks have listed the Jobs, or until a
 * message whose process died was delivered again. Whatever is younger is no finding.
 */
export function inFlightMs({ lockDurationMs }: Pick<Dependencies, "lockDurationMs">): number {
  return Math.max(TWO_TICKS_MS, 2 * lockDurationMs);
}
