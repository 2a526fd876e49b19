import type { PeekedMessage, Properties } from "../run/message.ts";
import type { RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/**
 * What a dead letter says. Reason and description are cut to 4,096 characters; the properties are left out where they have no room. One that is
 * undefined is left out too, and emptied where the message carries one of its name.
 */
export interface DeadLetter {
  readonly reason: string;
  readonly description: string;
  readonly properties: Properties;
}

/**
 * `missing` = the broker answered MessageNotFound: settled already, never deferred, or locked by someone else just now.
 * Only a peek can tell which.
 */
export type DeferredOutcome = "done" | "missing";

/**
 * The bus. With a lock token: what a trigger may do with the message it was handed. By sequence number: what anybody may do with
 * a deferred message, days later. Whatever passes by itself is an `UnavailableError`.
 */
export interface MessageBroker {
  /** Defers a message that a trigger holds, and stamps it. LockLostError when the token is dead. */
  defer(source: Source, lockToken: string, stamp: Properties): Promise<void>;
  completeLocked(source: Source, lockToken: string): Promise<void>;
  deadLetterLocked(source: Source, lockToken: string, letter: DeadLetter): Promise<void>;

  /** The message with exactly this sequence number, whatever its state; undefined where there is none. */
  peek(source: Source, sequenceNumber: number): Promise<PeekedMessage | undefined>;
  /** Up to `count` messages from this sequence number on, in order. */
  browse(source: Source, fromSequenceNumber: number, count: number): Promise<PeekedMessage[]>;

  /** Receives the deferred message of exactly this identity and completes it. */
  completeDeferred(key: RunKey): Promise<DeferredOutcome>;
  /** Receives and abandons it: it stays deferred, its delivery count rises, and it carries the stamp. */
  requeueDeferred(key: RunKey, stamp: Properties): Promise<DeferredOutcome>;
  deadLetterDeferred(key: RunKey, letter: DeadLetter): Promise<DeferredOutcome>;

  /** Asks the entity for something harmless. Throws ConfigError where it cannot be used as a source: no such entity, sessions, partitions. */
  verify(source: Source): Promise<void>;
  close(): Promise<void>;
}
