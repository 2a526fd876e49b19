import type { PeekedMessage, Properties } from "./message.ts";
import { type Run, runId, type Verdict } from "./run.ts";

/** Whose a message is. The sweep touches no message with another owner. */
export function ownerStamp(owner: string): Properties {
  return { "dispatcher-owner": owner };
}

/** Written on a message when it is deferred. The attempt, too: else whoever reads it once the row is lost would read the sender's. */
export function deferStamp(run: Run, owner: string): Properties {
  return { ...ownerStamp(owner), "dispatcher-attempt": run.attempt };
}

/** Written when an attempt failed and another follows, for people who peek: the attempt that comes next, and why. */
export function requeueStamp(run: Run): Properties {
  return {
    "dispatcher-attempt": run.attempt,
    ...(run.lastError === undefined ? {} : { "dispatcher-last-error": run.lastError }),
    ...(run.jobName === undefined ? {} : { "dispatcher-job": run.jobName }),
  };
}

const STAMPED = new Set(["dispatcher-owner", "dispatcher-attempt", "dispatcher-last-error", "dispatcher-job"]);

/** The message as the sender wrote it: every attempt gets the same, and what fits into the first one's Job fits into the fifth's. */
export function withoutStamps(message: PeekedMessage): PeekedMessage {
  const properties = Object.fromEntries(Object.entries(message.properties).filter(([name]) => !STAMPED.has(name)));
  return { ...message, properties };
}

/** Whether a peeked message shows that this requeue has happened. */
export function isRequeued(run: Run, properties: Properties): boolean {
  return Number(properties["dispatcher-attempt"]) >= run.attempt;
}

/** The facts of a dead letter, one by one, for programs: undefined where there is none, see `DeadLetter.properties`. */
export function letterProperties(run: Omit<Run, "status">, verdict: Verdict): Properties {
  return {
    "dispatcher-reason": verdict.reason,
    "dispatcher-run": runId(run),
    "dispatcher-module": run.module || undefined,
    "dispatcher-attempt": verdict.outcome === "rejected" ? undefined : run.attempt,
    "dispatcher-failures": run.failures,
    "dispatcher-interruptions": run.interruptions,
    "dispatcher-job": run.jobName,
    "dispatcher-exit-code": verdict.exitCode,
    "dispatcher-last-error": run.lastError,
    "dispatcher-logs": run.logsUrl,
  };
}

/** What to write on a message that carries properties of its own: a fact that there is none of must not be the sender's instead. */
export function unforged(facts: Properties, carried: Properties): Properties {
  const written = Object.entries(facts).map(([name, value]) => [
    name,
    value ?? (Object.hasOwn(carried, name) ? "" : undefined),
  ]);
  return Object.fromEntries(written.filter(([, value]) => value !== undefined));
}
