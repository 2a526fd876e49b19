import { hasSpace } from "../../shared/adapters/service-bus/property-space.ts";
import type { Clock, EpochMs } from "../../shared/clock.ts";
import { ConfigError, EntityMissingError, errorText } from "../../shared/errors.ts";
import type { HostLink, LinkAnswer } from "../../shared/ports/host-link.ts";
import type {
  DeadLetter,
  DeferredKey,
  DeferredOutcome,
  Entity,
  MessageBroker,
  ReceivedLetter,
} from "../../shared/ports/message-broker.ts";
import type { PeekedMessage, Properties } from "../../shared/run/message.ts";
import { type Source, sourceKey, sourceName } from "../../shared/run/source.ts";
import { unforged, withoutOwner } from "../../shared/run/stamp.ts";
import { FakeEntity, type FakeMessage, type MessageToSend } from "./fake-entity.ts";
import { type Interference, withInterference } from "./interference.ts";

/** A message as a trigger receives it. `deliveryCount` counts from 1, as the host does. */
interface Delivery {
  readonly source: Source;
  readonly sequenceNumber: number;
  readonly lockToken: string;
  readonly enqueuedAt: EpochMs;
  readonly expiresAt?: EpochMs;
  readonly deliveryCount: number;
  readonly messageId: string;
  readonly correlationId?: string;
  readonly subject?: string;
  readonly contentType?: string;
  readonly body: Uint8Array;
  readonly properties: Properties;
}

/** The link by which the fake bus delivers. A call that fails, or whose reply is lost, is in doubt. */
type FakeHostLink = HostLink & Interference<"defer" | "complete" | "deadLetter">;

export interface FakeBroker extends MessageBroker, Interference<keyof MessageBroker> {
  /** The standalone host's own receive link, which hands over messages as they came. */
  readonly hostLink: FakeHostLink;
  /** Puts a message on the bus, and hands it to a trigger. */
  deliver(source: Source, message?: MessageToSend): Delivery;
  /** Puts a message on the bus, and hands it to no trigger yet. */
  send(source: Source, message?: MessageToSend): FakeMessage;
  /** Hands the oldest active message without a lock to a trigger. Undefined if no such message is on the bus. */
  redeliver(source: Source): Delivery | undefined;
  /** Ends the invocation of a delivery, so that the host no longer offers it. */
  endInvocation(lockToken: string): void;
  /**
   * Lets another receiver lock a deferred message. Returns the token; undefined if there is no such message without a
   * lock.
   */
  lockDeferred(source: Source, sequenceNumber: number): string | undefined;
  /** Ends all locks of a source now, whatever the clock says. */
  lapseLocks(source: Source): void;
  /** Deletes the entity and creates it again, so that it is empty and its sequence numbers start at 1. */
  recreate(source: Source): void;
  /** Removes the entity, so that calls fail, and `verify` says so. */
  remove(source: Source): void;
  /** Brings a removed entity back, with all its messages, as a namespace setting that is put right does. */
  bringBack(source: Source): void;
  /** Every message that was ever sent to the entity, settled ones included, by number. */
  messages(source: Source): FakeMessage[];
  /** The message of this number. Throws if there never was one. */
  message(source: Source, sequenceNumber: number): FakeMessage;
}

/** A bus in memory, with the adapter's rules. It makes an entity when a call first names it. */
export function makeFakeBroker({
  clock,
  lockDurationMs = 300_000,
}: {
  clock: Clock;
  lockDurationMs?: number;
}): FakeBroker {
  const entities = new Map<string, FakeEntity>();
  const removed = new Set<string>();
  const entityOf = (place: Entity): FakeEntity => {
    const isDead = "deadLettersOf" in place;
    const source = isDead ? place.deadLettersOf : place;
    if (removed.has(sourceKey(source))) throw new EntityMissingError(`${sourceName(source)} does not exist.`);
    const key = isDead ? deadKey(source) : sourceKey(source);
    const entity = entities.get(key) ?? new FakeEntity(clock, lockDurationMs, isDead);
    entities.set(key, entity);
    return entity;
  };
  const settleDeferred = (
    key: DeferredKey,
    settlement: (message: FakeMessage, entity: FakeEntity) => Partial<FakeMessage>,
  ): DeferredOutcome => {
    const entity = entityOf(key.source);
    const received = entity.receiveDeferred(key.sequenceNumber);
    if (received === undefined) return "missing";
    const isOurs = received.message.enqueuedAt === key.enqueuedAt;
    entity.settle(received.lockToken, isOurs ? (message) => settlement(message, entity) : entity.another);
    return isOurs ? "done" : "missing";
  };
  /** Moves a message to the dead letter queue. What was the message stays as a record, which has the letter. */
  const deadLetter = (source: Source, message: FakeMessage, asked: DeadLetter): Partial<FakeMessage> => {
    const letter = letterThatFits(message, asked);
    const { reason: DeadLetterReason, description: DeadLetterErrorDescription } = letter;
    const properties = { ...message.properties, ...letter.properties, DeadLetterReason, DeadLetterErrorDescription };
    entityOf({ deadLettersOf: source }).take({ ...message, properties });
    return { state: "dead-lettered", letter };
  };
  const port: MessageBroker = {
    async defer(place, lockToken, stamp) {
      const entity = entityOf(place);
      entity.settle(lockToken, (message) => ({
        ...stamped(message, stamp),
        ...entity.another(message),
        state: "deferred",
      }));
    },
    completeLocked: async (source, lockToken) => entityOf(source).settle(lockToken, () => ({ state: "completed" })),
    deadLetterLocked: async (source, lockToken, letter) =>
      entityOf(source).settle(lockToken, (message) => deadLetter(source, message, letter)),
    async receiveLetters(from, count) {
      const received = Array.from({ length: count }, () => entityOf(from).receive());
      return received.flatMap((one) => (one === undefined ? [] : [toLetter(one.message, one.lockToken)]));
    },
    giveBack: async (from, lockToken) => entityOf(from).settle(lockToken, entityOf(from).another),
    peek: async (source, sequenceNumber) =>
      entityOf(source)
        .present(sequenceNumber)
        .find((message) => message.sequenceNumber === sequenceNumber),
    browse: async (source, fromSequenceNumber, count) => entityOf(source).present(fromSequenceNumber).slice(0, count),
    completeDeferred: async (key) => settleDeferred(key, () => ({ state: "completed" })),
    requeueDeferred: async (key, stamp) =>
      settleDeferred(key, (message, entity) => ({ ...stamped(message, stamp), ...entity.another(message) })),
    deadLetterDeferred: async (key, letter) =>
      settleDeferred(key, (message) => deadLetter(key.source, message, letter)),
    async verify(source) {
      if (removed.has(sourceKey(source))) throw new ConfigError(`${sourceName(source)} does not exist.`);
    },
    async close() {},
  };
  const deliveries = new Map<string, Delivery>();
  const redeliver = (source: Source): Delivery | undefined => {
    const received = entityOf(source).receive();
    if (!received) return undefined;
    const delivery = toDelivery(source, received.message, received.lockToken);
    deliveries.set(received.lockToken, delivery);
    return delivery;
  };
  return Object.assign(withInterference(port), {
    hostLink: makeFakeHostLink(port, deliveries),
    deliver: (source: Source, message: MessageToSend = {}) => {
      const { sequenceNumber } = entityOf(source).send(message);
      const delivery = redeliver(source);
      if (delivery?.sequenceNumber === sequenceNumber) return delivery;
      throw new Error("An older message is active. Redeliver it before this one is delivered.");
    },
    send: (source: Source, message: MessageToSend = {}) => entityOf(source).send(message),
    redeliver,
    endInvocation: (lockToken: string) => void deliveries.delete(lockToken),
    lockDeferred: (source: Source, sequenceNumber: number) =>
      entityOf(source).receiveDeferred(sequenceNumber)?.lockToken,
    lapseLocks: (source: Source) => entityOf(source).lapseAll(),
    recreate: (source: Source) => {
      for (const key of [sourceKey(source), deadKey(source)]) entities.delete(key);
    },
    remove: (source: Source) => void removed.add(sourceKey(source)),
    bringBack: (source: Source) => void removed.delete(sourceKey(source)),
    messages: (source: Source) => entityOf(source).all(),
    message: (source: Source, sequenceNumber: number) => {
      const message = entityOf(source).all()[sequenceNumber - 1];
      if (message === undefined)
        throw new Error(`There never was a message ${sequenceNumber} on ${sourceName(source)}.`);
      return message;
    },
  });
}

function makeFakeHostLink(port: MessageBroker, deliveries: ReadonlyMap<string, Delivery>): FakeHostLink {
  const deliveryOf = (lockToken: string): Delivery => {
    const delivery = deliveries.get(lockToken);
    if (delivery === undefined) throw new Error(`No function runs for a delivery with the lock ${lockToken}.`);
    return delivery;
  };
  const link = withInterference({
    defer: (lockToken: string, stamp: Properties) => port.defer(deliveryOf(lockToken).source, lockToken, stamp),
    complete: (lockToken: string) => port.completeLocked(deliveryOf(lockToken).source, lockToken),
    deadLetter: (lockToken: string, letter: DeadLetter) =>
      port.deadLetterLocked(deliveryOf(lockToken).source, lockToken, letter),
  });
  return {
    ...link,
    message: (_source, lockToken): PeekedMessage => {
      const { source: _, lockToken: __, deliveryCount: ___, ...message } = deliveryOf(lockToken);
      return { ...message, state: "active" };
    },
    defer: (lockToken, stamp) => answerOf(() => link.defer(lockToken, stamp)),
    complete: (lockToken) => answerOf(() => link.complete(lockToken)),
    deadLetter: (lockToken, letter) => answerOf(() => link.deadLetter(lockToken, letter)),
    problem: async () => undefined,
  };
}

/** Makes a settlement's error an answer, because the port never rejects. */
export async function answerOf(settle: () => Promise<unknown>): Promise<LinkAnswer> {
  try {
    await settle();
    return { kind: "done" };
  } catch (error) {
    return { kind: "in doubt", why: errorText(error) };
  }
}

/** The link of a host that settles nothing for the app, and hands over nothing as it came. */
export const NO_HOST_LINK: HostLink = {
  message: () => undefined,
  defer: async () => ({ kind: "not offered" }),
  complete: async () => ({ kind: "not offered" }),
  deadLetter: async () => ({ kind: "not offered" }),
  problem: async () => "this host offers no link",
};

const deadKey = (source: Source): string => `dead|${sourceKey(source)}`;

function toLetter(message: FakeMessage, lockToken: string): ReceivedLetter {
  const { state: _, locked: __, letter: ___, deliveryCount: ____, ...facts } = message;
  return { ...facts, state: "active", lockToken };
}

function toDelivery(source: Source, message: FakeMessage, lockToken: string): Delivery {
  const { state: _, locked: __, letter: ___, deliveryCount, ...facts } = message;
  return { ...facts, source, lockToken, deliveryCount: deliveryCount + 1 };
}

const carried = ({ properties, messageId, correlationId, subject, contentType }: FakeMessage) => ({
  application: properties,
  system: [messageId, correlationId, subject, contentType],
});

function stamped(message: FakeMessage, stamp: Properties): Partial<FakeMessage> {
  const written = hasSpace(carried(message), stamp) ? stamp : withoutOwner(stamp, message.properties);
  return written === undefined ? {} : { properties: { ...message.properties, ...written } };
}

/** Cuts a letter to what the message has space for. */
function letterThatFits(message: FakeMessage, letter: DeadLetter): DeadLetter {
  const reason = letter.reason.slice(0, 4096);
  const description = letter.description.slice(0, 4096);
  const choices = [
    { reason, description, properties: unforged(letter.properties, message.properties) },
    { reason, description, properties: {} },
    { reason, description: "", properties: {} },
  ];
  const written = choices.find((choice) =>
    hasSpace(carried(message), {
      ...choice.properties,
      DeadLetterReason: reason,
      DeadLetterErrorDescription: choice.description,
    }),
  );
  return written ?? { reason: "", description: "", properties: {} };
}
