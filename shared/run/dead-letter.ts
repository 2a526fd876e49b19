import type { EpochMs } from "../clock.ts";
import { detailOf } from "./describe-end.ts";
import { type FailureGroup, failureGroup } from "./failure-group.ts";
import type { PeekedMessage } from "./message.ts";
import type { Reason } from "./reasons.ts";

import { attemptsHad, type ClosedRun, type RunKey, runId, type Verdict } from "./run.ts";
import type { Source } from "./source.ts";

/** What is noted of a run whose message was dead-lettered, so that people find it among others that failed alike. */
export interface NotedLetter extends RunKey {
  /** The module that took the message; empty if none did. */
  readonly module: string;
  readonly reason: Reason;
  readonly exitCode?: number;
  readonly group: FailureGroup;
  readonly messageId: string;
  /** How many attempts the run had. */
  readonly attempts: number;
  readonly closedAt: EpochMs;
}

/** Gives the reason with which a message is dead-lettered. */
export function letterReason({ reason = "JobFailed" }: Pick<Verdict, "reason">): Reason {
  return reason;
}

/**
 * Notes the dead letter that a closed run leaves. Undefined if its message was completed, or is gone without our doing.
 */
export function notedLetter(run: ClosedRun): NotedLetter | undefined {
  const { status, verdict, source, sequenceNumber, enqueuedAt, module, messageId, closedAt } = run;
  if (status === "succeeded" || status === "lost" || verdict === undefined) return undefined;
  const { exitCode, description = "" } = verdict;
  const reason = letterReason(verdict);
  return {
    source,
    sequenceNumber,
    enqueuedAt,
    module,
    reason,
    ...(exitCode === undefined ? {} : { exitCode }),
    group: failureGroup({ module, reason, exitCode, detail: detailOf(run, description) }),
    messageId,
    attempts: attemptsHad(run),
    closedAt,
  };
}

/** Names a run alike however its source is spelled, because a module file may spell it anew. */
export function nameOfRun(key: RunKey): string {
  return runId(key).toLowerCase();
}

/**
 * Gives the name of the run of a message in the dead letter queue of a source, as `nameOfRun` does: of the one that was
 * stamped on it, or if the stamp had no room, of the one with its number.
 */
export function nameOnLetter(
  source: Source,
  { properties, sequenceNumber, enqueuedAt }: Pick<PeekedMessage, "properties" | "sequenceNumber" | "enqueuedAt">,
): string {
  const stamped = properties["dispatcher-run"];
  if (typeof stamped === "string" && stamped !== "") return stamped.toLowerCase();
  return nameOfRun({ source, sequenceNumber, enqueuedAt });
}
