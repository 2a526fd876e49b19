import type { EpochMs } from "../clock.ts";
import type { ClosedRun, Run } from "./run.ts";

/** One thing that happened to a run. */
export interface TimelineEntry {
  readonly at: EpochMs;
  /** One of {@link HAPPENINGS}, or one that a newer release knows. */
  readonly what: string;
  readonly attempt: number;
  /** Why, for people. */
  readonly cause?: string;
}

/**
 * What can happen to a run:
 *
 * - `accepted`, `held`, `rejected`: how it began, or what a tick found when it judged it.
 * - `redriven`: it began as a redrive of a dead letter. `withdrawn`: and its letter was not set aside.
 * - `waiting`: its next attempt waits, for its time or for a slot. `put-off`: its turn came, and it could not start.
 * - `job-created`: the attempt's Job was created. `held-up`: something keeps that from starting, and `freed`: no more.
 * - `end-ordered`: the Dispatcher or a person ends the Job. `attempt-ended`: another attempt follows.
 * - `unseen`, `busy`: the bus did not show its message, or another receiver had it.
 * - `succeeded`, `failed`, `cancelled`, `lost`: its verdict. `closed`, `reopened`: its message was settled, or turned up.
 */
const HAPPENINGS = [
  "accepted",
  "redriven",
  "held",
  "rejected",
  "waiting",
  "put-off",
  "job-created",
  "held-up",
  "freed",
  "end-ordered",
  "attempt-ended",
  "unseen",
  "busy",
  "succeeded",
  "failed",
  "cancelled",
  "lost",
  "withdrawn",
  "closed",
  "reopened",
] as const;
export type Happening = (typeof HAPPENINGS)[number];

/** So many entries a run keeps: the first, and the last ones. */
export const MOST_ENTRIES = 20;
/** Why something happened is kept so far. The row has the last reason whole. */
const MOST_CHARACTERS = 200;

/**
 * Adds to a run that is about to be written what happens to it by that write, so that people see later how it came there.
 * `before`: the run as it was; undefined if it begins now. A change that tells people nothing adds nothing, and what
 * happens again and again is entered once.
 */
export function traced<Next extends Run | ClosedRun>(
  before: Run | ClosedRun | undefined,
  next: Next,
  now: EpochMs,
): Next {
  const entries = next.timeline ?? [];
  const entry = happened(before, next, now);
  const last = entries.at(-1);
  if (!entry || (last && last.what === entry.what && last.attempt === entry.attempt && REPEATED.has(entry.what)))
    return next;
  const all = [...entries, entry];
  return { ...next, timeline: all.length > MOST_ENTRIES ? all.toSpliced(1, all.length - MOST_ENTRIES) : all };
}

/** These may happen again and again, and say nothing new then. */
const REPEATED: ReadonlySet<string> = new Set<Happening>(["put-off", "busy", "unseen"]);

function happened(before: Run | ClosedRun | undefined, next: Run | ClosedRun, now: EpochMs): TimelineEntry | undefined {
  const entry = (what: Happening, cause?: string, { at = now, attempt = next.attempt } = {}): TimelineEntry => ({
    at,
    what,
    attempt,
    ...(cause === undefined ? {} : { cause: cause.slice(0, MOST_CHARACTERS) }),
  });
  if ("closedAt" in next)
    return next.verdict && before?.verdict === undefined
      ? entry(next.status, next.verdict.description ?? next.verdict.reason)
      : entry("closed");
  if (before && "closedAt" in before) return entry("reopened");
  if (before?.status === next.status) return within(before, next, entry);
  if (before && next.attempt > before.attempt)
    return entry("attempt-ended", next.lastError, { attempt: before.attempt });
  switch (next.status) {
    case "accepted":
      // A tick starts it, and its Job follows at once.
      return before === undefined || before.status === "held" ? entry("accepted") : undefined;
    case "held":
      return entry("held", next.lastError);
    case "waiting":
      if (before === undefined && next.redrive !== undefined) return entry("redriven");
      if (before === undefined) return entry("accepted", "it waits in line");
      return before.status === "held" ? entry("accepted", "it fits its module by now") : entry("waiting");
    case "dispatched":
      return entry("job-created", undefined, { at: next.dispatchedAt ?? now });
    case "requeueing":
      return undefined;
    case "settling": {
      const { outcome = "failed", description, reason } = next.verdict ?? {};
      return entry(outcome, description ?? reason);
    }
    default:
      return next satisfies never;
  }
}

/** Says what happened to a run that keeps its status. */
function within(
  before: Run,
  next: Run,
  entry: (what: Happening, cause?: string, over?: { readonly attempt?: number }) => TimelineEntry,
): TimelineEntry | undefined {
  if (next.attempt > before.attempt) return entry("attempt-ended", next.lastError, { attempt: before.attempt });
  if (next.busyCount > before.busyCount) return entry("busy", "another receiver holds its message");
  if (next.absentSince !== undefined && before.absentSince === undefined) return entry("unseen");
  if (next.endOrdered && !before.endOrdered) return entry("end-ordered", next.endOrdered.detail);
  if (next.heldUpBy !== before.heldUpBy)
    return next.heldUpBy === undefined ? entry("freed") : entry("held-up", `${next.heldUpBy}: ${next.lastError ?? ""}`);
  if (next.status === "waiting" && next.notBefore > before.notBefore) return entry("put-off");
  return undefined;
}
