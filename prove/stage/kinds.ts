import type { Reason } from "../../shared/run/reasons.ts";
import type { ClosedStatus } from "../../shared/run/run.ts";
import { makeRandom } from "../faults/random.ts";

/** What the body of a message is. A wrong field breaks a module's schema. */
export type Body = "small" | "big" | "not JSON" | "wrong field";

/** How a message of one kind has to end, whatever is done to the replicas meanwhile. */
export interface Kind {
  /** How many of a hundred messages are of this kind. */
  readonly share: number;
  /** The queue or topic that the message is sent to. */
  readonly entity: string;
  readonly subject: string;
  readonly body: Body;
  readonly outcome: ClosedStatus;
  readonly reason?: Reason;
  /** How many attempts fail. */
  readonly failures: number;
  /** How many workers start. */
  readonly starts: number;
  /** How often the sender sends it, always with the same message id. Each copy is a message of its own. */
  readonly copies: number;
  /**
   * Whether its first run fails with exit code 64, and a person has its dead letter redriven. The rest says how that
   * ends.
   */
  readonly redriven?: true;
}

export const QUEUE = "proof";
export const TOPIC = "proof-events";
export const SUBSCRIPTION = "proof";

const queued = { entity: QUEUE, body: "small", copies: 1 } as const;
const fails = { outcome: "failed", reason: "JobFailed" } as const;
const rejected = { outcome: "rejected", reason: "DispatchRejected", failures: 0, starts: 0 } as const;

const KINDS = {
  success: { ...queued, share: 20, subject: "succeed", outcome: "succeeded", failures: 0, starts: 1 },
  /** Its worker takes a few seconds. */
  "takes its time": { ...queued, share: 5, subject: "take-time", outcome: "succeeded", failures: 0, starts: 1 },
  /**
   * Only a storm sends this kind. Its worker writes no log, because Azurite looks at all blobs for each that it stores.
   */
  silent: { ...queued, share: 0, subject: "succeed-silently", outcome: "succeeded", failures: 0, starts: 1 },
  "sent twice": { ...queued, share: 3, subject: "succeed", outcome: "succeeded", failures: 0, starts: 1, copies: 2 },
  topic: { ...queued, share: 8, entity: TOPIC, subject: "succeed", outcome: "succeeded", failures: 0, starts: 1 },
  retry: { ...queued, share: 14, subject: "fail-once", outcome: "succeeded", failures: 1, starts: 2 },
  exhausted: { ...queued, ...fails, share: 9, subject: "fail", failures: 3, starts: 3 },
  permanent: { ...queued, ...fails, share: 4, subject: "give-up", failures: 1, starts: 1 },
  "time-out": {
    ...queued,
    share: 5,
    subject: "hang",
    outcome: "failed",
    reason: "JobTimedOut",
    failures: 1,
    starts: 1,
  },
  /** Its Job never starts, and a person cancels it. */
  cancelled: {
    ...queued,
    share: 10,
    subject: "cancel",
    outcome: "cancelled",
    reason: "Cancelled",
    failures: 0,
    starts: 0,
  },
  /** Only a twin's story sends this kind. Three of them would trip their module. */
  "no start": {
    ...queued,
    share: 0,
    subject: "no-node",
    outcome: "failed",
    reason: "JobNotStarted",
    failures: 1,
    starts: 0,
  },
  big: { ...queued, share: 9, subject: "read-big", body: "big", outcome: "succeeded", failures: 0, starts: 1 },
  /** The worker's last words are the URL of its body. The app writes last words into rows and on the dead letter. */
  "says its URL": { ...queued, ...fails, share: 3, subject: "say-url", body: "big", failures: 1, starts: 1 },
  "reject: not JSON": { ...queued, ...rejected, share: 3, subject: "give-up", body: "not JSON" },
  "reject: schema": { ...queued, ...rejected, share: 2, subject: "give-up", body: "wrong field" },
  /** Only a twin's story sends this kind. Attempt 1 ignores that it is ended, and works for ten seconds. */
  stubborn: { ...queued, share: 0, subject: "not-to-be-ended", outcome: "succeeded", failures: 1, starts: 2 },
  /** Only a twin's story sends this kind: its module has one slot, and works for fifteen seconds. */
  "one at a time": { ...queued, share: 0, subject: "one-slot", outcome: "succeeded", failures: 0, starts: 1 },
  redriven: {
    ...queued,
    share: 20,
    subject: "heal",
    outcome: "succeeded",
    failures: 0,
    starts: 2,
    redriven: true,
  },
  /** It fails with another exit code then, so that nobody redrives it once more. */
  "redriven in vain": { ...queued, ...fails, share: 5, subject: "heal-not", failures: 1, starts: 2, redriven: true },
  "reject: no module": { ...queued, ...rejected, share: 5, subject: "no-module" },
} as const satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof KINDS;

function isKind(name: string): name is KindName {
  return Object.hasOwn(KINDS, name);
}

/** The kinds that a proof sends. */
export const KIND_NAMES: readonly KindName[] = Object.keys(KINDS)
  .filter(isKind)
  .filter((name) => KINDS[name].share > 0);

export function kindOf(name: KindName): Kind {
  return KINDS[name];
}

/** A message that the proof is going to send. */
export interface PlannedMessage {
  readonly id: string;
  readonly kind: KindName;
}

/** Plans so many messages of every kind, in an order that follows from the seed. */
export function planMessages(seed: number, count: number, kinds: readonly KindName[] = KIND_NAMES): PlannedMessage[] {
  const random = makeRandom(seed ^ 0x5eed);
  // The proof itself sends no message of a kind with share 0, but a storm may ask for it.
  const shareOf = (kind: KindName) => Math.max(1, kindOf(kind).share);
  const total = kinds.reduce((sum, kind) => sum + shareOf(kind), 0);
  const bag: KindName[] = [];
  while (bag.length < count) {
    const round = kinds.flatMap((kind) => Array.from({ length: shareOf(kind) }, () => kind));
    // Even a few messages have each kind once.
    bag.push(...(bag.length === 0 && count < total ? [...kinds] : []), ...random.shuffled(round));
  }
  return random.shuffled(bag.slice(0, count)).map((kind, index) => planned(kind, index + 1));
}

/**
 * Plans one more message of each kind, because some fault still waits for its call. `sent`: how many were sent before.
 */
export function moreMessages(sent: number): PlannedMessage[] {
  return KIND_NAMES.map((kind, index) => planned(kind, sent + index + 1));
}

function planned(kind: KindName, number: number): PlannedMessage {
  return { id: `${kind.replaceAll(/[^a-z]+/g, "-")}-${number}`, kind };
}
