import type { PeekedMessage, Properties } from "../ports/message-broker.ts";
import { type Run, runId, type Verdict } from "./run.ts";

/** Written on a message when it is deferred: whose it is. The sweep touches no message with another owner. */
export function ownerStamp(owner: string): Properties {
  return { "dispatcher-owner": owner };
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

/** Whether a peeked message shows that this requeue has happened. A sender can forge it; then only people miss a note. */
export function isRequeued(run: Run, properties: Properties): boolean {
  return Number(properties["dispatcher-attempt"]) >= run.attempt;
}

/** The facts of a dead letter, one by one, for programs. */
export function letterProperties(run: Omit<Run, "status">, verdict: Verdict): Properties {
  const facts = {
    "dispatcher-reason": verdict.reason,
    "dispatcher-run": runId(run),
    "dispatcher-module": run.module || undefined,
    "dispatcher-attempt": run.jobName === undefined ? undefined : run.attempt,
    "dispatcher-failures": run.failures,
    "dispatcher-interruptions": run.interruptions,
    "dispatcher-job": run.jobName,
    "dispatcher-exit-code": verdict.exitCode,
    "dispatcher-last-error": run.lastError,
    "dispatcher-logs": run.logsUrl,
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
