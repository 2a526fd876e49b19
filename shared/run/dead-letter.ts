import type { EpochMs } from "../clock.ts";
import { detailOf } from "./describe-end.ts";
import { type FailureGroup, failureGroup, lastWords } from "./failure-group.ts";
import type { PeekedMessage } from "./message.ts";
import type { Reason } from "./reasons.ts";

import { attemptsHad, byAge, type ClosedRun, keyOf, originalId, type RunKey, type Verdict } from "./run.ts";
import { type Source, sourceKey } from "./source.ts";
import { ownerOf } from "./stamp.ts";

/** What is noted of a run whose message was dead-lettered, so that people find it among others that failed alike. */
export interface NotedLetter extends RunKey {
  /** The module that took the message; empty if none did. */
  readonly module: string;
  readonly reason: Reason;
  readonly exitCode?: number;
  readonly group: FailureGroup;
  /** Its own last words, with their numbers and ids. Undefined if an older release noted it. */
  readonly lastWords?: string;
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
  const { status, verdict, module, messageId, closedAt } = run;
  if (status === "succeeded" || status === "lost" || status === "withdrawn" || verdict === undefined) return undefined;
  const { exitCode, description = "" } = verdict;
  const reason = letterReason(verdict);
  const detail = detailOf(run, description);
  return {
    ...keyOf(run),
    module,
    reason,
    ...(exitCode === undefined ? {} : { exitCode }),
    group: failureGroup({ module, reason, exitCode, detail }),
    lastWords: lastWords(detail),
    messageId,
    attempts: attemptsHad(run),
    closedAt,
  };
}

/**
 * Names the message of a run. That is the same however its source is spelled, because a module file may spell it anew,
 * and however often its letter was redriven.
 */
export function nameOfRun(key: RunKey): string {
  return originalId(key).toLowerCase();
}

/** Names the same message by the id of any run that it had. */
export function nameOfId(id: string): string {
  return id.toLowerCase().replace(/:r\d+$/, "");
}

/** Whether two runs are of one message. */
function isOfMessage(run: RunKey, other: RunKey): boolean {
  return nameOfRun(run) === nameOfRun(other) && sourceKey(run.source) === sourceKey(other.source);
}

/**
 * Takes the run that is meant by an id that all of these have: the last redrive, if they are of one message. Undefined if
 * they are of several, such as one in a queue that has the name of a topic's subscription.
 */
export function meantOf<Run extends RunKey>(runs: readonly Run[]): Run | undefined {
  const [first] = runs;
  const areOfOne = first && runs.every((run) => isOfMessage(run, first));
  return areOfOne ? runs.toSorted(byAge).at(-1) : undefined;
}

/**
 * Gives the identity of the run as which a message in the dead letter queue of a source was accepted: of the one that was
 * stamped on it, and else of the one that would have its number. A sender may write a stamp, too. So it is believed only
 * if the owner of this instance is stamped beside it, which no sender knows, or if it names the letter's own number.
 */
export function keyOnLetter(source: Source, letter: PeekedMessage, owner: string): RunKey {
  const own = { source, sequenceNumber: letter.sequenceNumber, enqueuedAt: letter.enqueuedAt };
  const isOurs = ownerOf(letter) === owner;
  return (isOurs ? keyNamed(source, nameOnLetter(source, letter)) : undefined) ?? own;
}

/** Gives the identity that `nameOfRun` has named, of a run of this source. Undefined if it is no such name. */
export function keyNamed(source: Source, name: string): RunKey | undefined {
  const [, number, enqueuedAt] = /:(\d{1,15}):(\d{1,15})$/.exec(name) ?? [];
  if (number === undefined) return undefined;
  const key = { source, sequenceNumber: Number(number), enqueuedAt: Number(enqueuedAt) };
  return nameOfRun(key) === name ? key : undefined;
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
