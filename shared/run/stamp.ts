import type { PeekedMessage, Properties } from "./message.ts";
import { attemptsHad, originalId, type Run, type Verdict } from "./run.ts";

const OWNER_STAMP = "dispatcher-owner";

/** Says which instance deferred a message. The sweep touches no message with another owner. */
export function ownerStamp(owner: string): Properties {
  return { [OWNER_STAMP]: owner };
}

/** Names the instance that deferred a message, by its owner id; undefined if the message carries no stamp. */
export function ownerOf({ properties }: Pick<PeekedMessage, "properties">): string | undefined {
  const owner = properties[OWNER_STAMP];
  return typeof owner === "string" ? owner : undefined;
}

/**
 * Says whether another instance has deferred a message that is deferred. `owner`: the id of this one. A message without
 * an owner passes for this one's, because its stamp may have had no space.
 */
export function isOfAnother(message: Pick<PeekedMessage, "properties">, owner: unknown): boolean {
  const stamped = ownerOf(message);
  return stamped !== undefined && stamped !== "" && stamped !== owner;
}

/**
 * Empties the owner on a message that has no space for a stamp which says the owner, because its sender may have written
 * another one. `carried`: its properties, if they are known. Undefined if that is not needed.
 */
export function withoutOwner(stamp: Properties, carried?: Properties): Properties | undefined {
  const mayCarryOne = carried === undefined || Object.hasOwn(carried, OWNER_STAMP);
  return Object.hasOwn(stamp, OWNER_STAMP) && mayCarryOne ? ownerStamp("") : undefined;
}

/**
 * Stamps a message when it is deferred. Also stamps the attempt: if the row is lost, the sweep rebuilds it from this
 * number, and must not read a number that the sender wrote. It is 0 if the message is held, so that it is held again
 * and not accepted then.
 */
export function deferStamp(run: Run, owner: string): Properties {
  return { ...ownerStamp(owner), "dispatcher-attempt": run.status === "held" ? 0 : run.attempt };
}

/** Says whether a message was held when it was deferred. Its stamp stays 0 until its second attempt, if it is accepted. */
export function wasHeld({ properties }: Pick<PeekedMessage, "properties">): boolean {
  return Number(properties["dispatcher-attempt"]) === 0;
}

/**
 * Stamps a message when an attempt failed and another follows: which attempt comes next, and why. It is for people who
 * peek.
 */
export function requeueStamp(run: Run): Properties {
  return {
    "dispatcher-attempt": run.attempt,
    ...(run.lastError === undefined ? {} : { "dispatcher-last-error": run.lastError }),
    ...(run.jobName === undefined ? {} : { "dispatcher-job": run.jobName }),
  };
}

/** A higher number is none that we wrote. */
const MOST_REDRIVES = 100_000;
/** Says how often the letter was redriven. */
const REDRIVE_STAMP = "dispatcher-redrive";

/** What a dead letter is stamped with. */
const LETTER_STAMPS = [
  "dispatcher-reason",
  "dispatcher-run",
  REDRIVE_STAMP,
  "dispatcher-module",
  "dispatcher-attempt",
  "dispatcher-failures",
  "dispatcher-interruptions",
  "dispatcher-job",
  "dispatcher-exit-code",
  "dispatcher-last-error",
  "dispatcher-logs",
] as const;

const STAMPED = new Set([OWNER_STAMP, "dispatcher-attempt", "dispatcher-last-error", "dispatcher-job"]);

/**
 * Gives the message as the sender wrote it, so that every attempt gets the same, and what fits into the first attempt's
 * Job fits into the fifth's.
 */
export function withoutStamps(message: PeekedMessage): PeekedMessage {
  const properties = Object.fromEntries(Object.entries(message.properties).filter(([name]) => !STAMPED.has(name)));
  return { ...message, properties };
}

/** Gives a dead letter as the sender wrote it, without all that it was stamped with when it was dead-lettered. */
export function withoutLetterStamps(letter: PeekedMessage): PeekedMessage {
  const properties = Object.fromEntries(Object.entries(letter.properties).filter(([name]) => !isLetterStamp(name)));
  return { ...letter, properties };
}

/** Whether a message has a property of this name because it was dead-lettered, and not because its sender gave it one. */
export function isLetterStamp(name: string): boolean {
  return name === "DeadLetterReason" || name === "DeadLetterErrorDescription" || isStamp(name);
}

/** Whether a property of this name is a stamp of ours. A sender may name other ones `dispatcher-...`. */
export function isStamp(name: string): boolean {
  return STAMPED.has(name) || LETTER_STAMPS.some((stamp) => stamp === name);
}

/** Reads how often a letter was redriven, as its stamp says. */
export function redrivesOf({ properties }: Pick<PeekedMessage, "properties">): number {
  const stamped = Number(properties[REDRIVE_STAMP]);
  return Number.isInteger(stamped) && stamped > 0 && stamped <= MOST_REDRIVES ? stamped : 0;
}

/** Reads with what exit code the run of a letter ended, as its stamp says. */
export function exitCodeOn({ properties }: Pick<PeekedMessage, "properties">): number | undefined {
  const stamped = properties["dispatcher-exit-code"];
  return typeof stamped === "number" ? stamped : undefined;
}

/** Says whether a peeked message carries the stamp of this requeue. */
export function isRequeued(run: Run, properties: Properties): boolean {
  return Number(properties["dispatcher-attempt"]) >= run.attempt;
}

/**
 * Lists the facts of a dead letter one by one, for programs. A fact that we don't have is undefined: see
 * `DeadLetter.properties`.
 */
export function letterProperties(
  run: Omit<Run, "status">,
  verdict: Verdict,
): Record<(typeof LETTER_STAMPS)[number], Properties[string]> {
  return {
    "dispatcher-reason": verdict.reason,
    "dispatcher-run": originalId(run),
    [REDRIVE_STAMP]: run.redrive,
    "dispatcher-module": run.module || undefined,
    "dispatcher-attempt": attemptsHad({ attempt: run.attempt, verdict }) || undefined,
    "dispatcher-failures": run.failures,
    "dispatcher-interruptions": run.interruptions,
    "dispatcher-job": run.jobName,
    "dispatcher-exit-code": verdict.exitCode,
    "dispatcher-last-error": run.lastError,
    "dispatcher-logs": run.logsUrl,
  };
}

/**
 * Blanks every `dispatcher-*` fact that we have no value for, if the sender set that property. Otherwise the sender's
 * forged value would pass for ours.
 */
export function unforged(facts: Properties, carried: Properties): Properties {
  const written = Object.entries(facts).map(([name, value]) => [
    name,
    value ?? (Object.hasOwn(carried, name) ? "" : undefined),
  ]);
  return Object.fromEntries(written.filter(([, value]) => value !== undefined));
}
