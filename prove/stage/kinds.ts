import type { Reason } from "../../shared/run/reasons.ts";
import type { ClosedStatus } from "../../shared/run/run.ts";
import { makeRandom } from "../faults/random.ts";

/** What a message holds. A wrong field breaks a module's schema. */
export type Body = "small" | "big" | "not JSON" | "wrong field";

/** How a message of one kind has to end, whatever is done to the Dispatchers meanwhile. */
export interface Kind {
  /** Of a hundred messages, so many are of this kind. */
  readonly share: number;
  /** Queue, or topic. */
  readonly entity: string;
  readonly subject: string;
  readonly body: Body;
  readonly outcome: ClosedStatus;
  readonly reason?: Reason;
  /** How often its work fails before the end. */
  readonly failures: number;
  /** How often its worker starts. */
  readonly starts: number;
  /** The sender sends it so often, with one message id. Each is a message of its own. */
  readonly copies: number;
}

export const QUEUE = "proof";
export const TOPIC = "proof-events";
export const SUBSCRIPTION = "proof";

const queued = { entity: QUEUE, body: "small", copies: 1 } as const;
const fails = { outcome: "failed", reason: "JobFailed" } as const;
const rejected = { outcome: "rejected", reason: "DispatchRejected", failures: 0, starts: 0 } as const;

const KINDS = {
  success: { ...queued, share: 25, subject: "succeed", outcome: "succeeded", failures: 0, starts: 1 },
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
  "no start": {
    ...queued,
    share: 10,
    subject: "no-node",
    outcome: "failed",
    reason: "JobNotStarted",
    failures: 1,
    starts: 0,
  },
  big: { ...queued, share: 9, subject: "read-big", body: "big", outcome: "succeeded", failures: 0, starts: 1 },
  /** Its last words, which go into rows and on the dead letter, are the URL of its body. */
  "says its URL": { ...queued, ...fails, share: 3, subject: "say-url", body: "big", failures: 1, starts: 1 },
  "reject: not JSON": { ...queued, ...rejected, share: 3, subject: "give-up", body: "not JSON" },
  "reject: schema": { ...queued, ...rejected, share: 2, subject: "give-up", body: "wrong field" },
  /** Only a twin's story sends it: attempt 1 takes no notice of being ended, and works on for ten seconds. */
  stubborn: { ...queued, share: 0, subject: "not-to-be-ended", outcome: "succeeded", failures: 1, starts: 2 },
  "reject: no module": { ...queued, ...rejected, share: 5, subject: "nobody's" },
} as const satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof KINDS;

function isKind(name: string): name is KindName {
  return Object.hasOwn(KINDS, name);
}

/** Of a proof. */
export const KIND_NAMES: readonly KindName[] = Object.keys(KINDS)
  .filter(isKind)
  .filter((name) => KINDS[name].share > 0);

export function kindOf(name: KindName): Kind {
  return KINDS[name];
}

/** A message that is to be sent. */
export interface Planned {
  readonly id: string;
  readonly kind: KindName;
}

/** So many messages, every kind among them, in an order that follows from the seed. */
export function planMessages(seed: number, count: number, kinds: readonly KindName[] = KIND_NAMES): Planned[] {
  const random = makeRandom(seed ^ 0x5eed);
  const total = kinds.reduce((sum, kind) => sum + kindOf(kind).share, 0);
  const bag: KindName[] = [];
  while (bag.length < count) {
    const round = kinds.flatMap((kind) => Array.from({ length: kindOf(kind).share }, () => kind));
    // Of a few messages, too, every kind is one.
    bag.push(...(bag.length === 0 && count < total ? [...kinds] : []), ...random.shuffled(round));
  }
  return random.shuffled(bag.slice(0, count)).map((kind, index) => planned(kind, index + 1));
}

/** One more of each kind, where so many were sent before and some fault has not met its call yet. */
export function moreMessages(sent: number): Planned[] {
  return KIND_NAMES.map((kind, index) => planned(kind, sent + index + 1));
}

function planned(kind: KindName, number: number): Planned {
  return { id: `${kind.replaceAll(/[^a-z]+/g, "-")}-${number}`, kind };
}
