import type { EpochMs } from "../clock.ts";
import type { PeekedMessage, Properties } from "../run/message.ts";
import type { Run, RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** The dead letter queue of a source. */
export interface DeadLetterQueue {
  readonly deadLettersOf: Source;
}

/** What a message lies in. */
export type Entity = Source | DeadLetterQueue;

/** Identifies a deferred message. A `RunKey` is the one of a run's message. */
export interface DeferredKey {
  readonly source: Entity;
  readonly sequenceNumber: number;
  readonly enqueuedAt: EpochMs;
}

/** Says where the message of a run lies: in its source, or if it was redriven, in the dead letter queue of that. */
export function placeOfMessage(run: MessagePlace): DeferredKey {
  const { source, sequenceNumber, enqueuedAt, redrive, letterNumber, letterEnqueuedAt } = run;
  if (redrive === undefined) return { source, sequenceNumber, enqueuedAt };
  return {
    source: { deadLettersOf: source },
    sequenceNumber: letterNumber ?? sequenceNumber,
    enqueuedAt: letterEnqueuedAt ?? enqueuedAt,
  };
}

/** What of a run says where its message lies. */
export type MessagePlace = RunKey & Pick<Run, "letterNumber" | "letterEnqueuedAt">;

/** A letter that was received from a dead letter queue. Its reason and description are properties of it. */
export type ReceivedLetter = PeekedMessage & { readonly lockToken: string };

/**
 * What a dead letter says. Reason and description are cut to 4,096 characters, and the properties are left out if they
 * don't fit. An undefined property is left out, or emptied if the message carries one of its name.
 */
export interface DeadLetter {
  readonly reason: string;
  readonly description: string;
  readonly properties: Properties;
}

/**
 * How a call on a deferred message ended. `missing` means that the broker answered MessageNotFound: the message is
 * settled already, was never deferred, or another receiver holds its lock. Only a peek can tell which.
 */
export type DeferredOutcome = "done" | "missing";

/**
 * The bus. The calls with a lock token are a trigger's, on a message that was delivered to it, or on a letter that was
 * received. The calls by sequence number are any replica's, on a deferred message, even days later. Throws
 * `EntityMissingError` if the bus answers that it has no such entity, and `UnavailableError` for any other failure that
 * may pass by itself.
 *
 * In a dead letter queue no delivery counts, nothing expires, and nothing can be dead-lettered again.
 */
export interface MessageBroker {
  /** Defers a message that was delivered, and stamps it. Throws LockLostError if the token is dead. */
  defer(entity: Entity, lockToken: string, stamp: Properties): Promise<void>;
  /** Completes a message that was delivered. Throws LockLostError if the token is dead. */
  completeLocked(entity: Entity, lockToken: string): Promise<void>;
  /** Dead-letters a message that was delivered to a trigger. Throws LockLostError if the token is dead. */
  deadLetterLocked(source: Source, lockToken: string, letter: DeadLetter): Promise<void>;

  /**
   * Locks up to `count` letters that are not deferred, for as long as the source's locks last, and gives them, the
   * oldest first. Waits up to two seconds for the first one. Gives none if none comes.
   */
  receiveLetters(from: DeadLetterQueue, count: number): Promise<ReceivedLetter[]>;
  /** Ends the lock of a letter, so that it can be received again. Throws LockLostError if the token is dead. */
  giveBack(from: DeadLetterQueue, lockToken: string): Promise<void>;

  /** Peeks at the message with exactly this sequence number, whatever its state; undefined if there is none. */
  peek(entity: Entity, sequenceNumber: number): Promise<PeekedMessage | undefined>;
  /** Peeks at up to `count` messages from this sequence number on, in order. */
  browse(entity: Entity, fromSequenceNumber: number, count: number): Promise<PeekedMessage[]>;

  /** Receives the deferred message of exactly this identity and completes it. */
  completeDeferred(key: DeferredKey): Promise<DeferredOutcome>;
  /** Receives and abandons it, so that it stays deferred, its delivery count rises, and it carries the stamp. */
  requeueDeferred(key: DeferredKey, stamp: Properties): Promise<DeferredOutcome>;
  /** Receives the deferred message of exactly this identity and dead-letters it. */
  deadLetterDeferred(key: RunKey, letter: DeadLetter): Promise<DeferredOutcome>;

  /**
   * Asks the entity for something harmless. Throws ConfigError if it can't be a source: it is missing, or has sessions
   * or partitions.
   */
  verify(source: Source): Promise<void>;
  close(): Promise<void>;
}
