import type { Lock } from "./lock-table.ts";
import type { MessageContent, PropertyChanges } from "./message-content.ts";

/**
 * A message of one entity.
 *
 * | state       | with a lock                                | without a lock                              |
 * | ----------- | ------------------------------------------ | ------------------------------------------- |
 * | `active`    | a receiver has it                          | waits in `ready`, oldest first              |
 * | `deferred`  | a receiver asked for it by sequence number | waits until a receiver asks for its number  |
 * | `scheduled` | never                                      | waits for its time; then it is enqueued anew, under another number |
 *
 * A lock that is abandoned, deferred or lapsed adds one to the delivery count, and a released one adds none. In a dead
 * letter queue none of them does. A completed one removes the message. A message never goes back from deferred to
 * active.
 */
export interface StoredMessage {
  readonly sequenceNumber: number;
  /** When it was enqueued; of a scheduled one, when it will be. */
  readonly enqueuedAt: number;
  /** Infinity if it never expires. */
  readonly expiresAt: number;
  content: MessageContent;
  state: "active" | "deferred" | "scheduled";
  deliveryCount: number;
  lock?: Lock;
}

/** How a receiver settles a message that it has locked. */
export type Disposition =
  | { readonly kind: "complete" | "release" }
  | { readonly kind: "abandon" | "defer"; readonly properties: PropertyChanges }
  | {
      readonly kind: "deadLetter";
      readonly reason: string | undefined;
      readonly description: string | undefined;
      readonly properties: PropertyChanges;
    };

/** A received message, and its lock. There is no lock if it was received and deleted in one step. */
export interface Received {
  readonly message: StoredMessage;
  readonly lock?: Lock;
}

/** How many messages of each kind an entity holds. Locked messages are counted by their state. */
export interface EntityCounts {
  readonly active: number;
  readonly deferred: number;
  readonly scheduled: number;
  readonly locked: number;
  readonly deadLettered: number;
}
