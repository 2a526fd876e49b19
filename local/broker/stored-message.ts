import type { Lock } from "./lock-table.ts";
import type { MessageContent, PropertyChanges } from "./message-content.ts";

/**
 * A message of one entity.
 *
 * | state      | held by a lock                              | without a lock                              |
 * | ---------- | ------------------------------------------- | ------------------------------------------- |
 * | `active`   | a receiver has it                           | waits in `ready`, oldest first              |
 * | `deferred` | somebody received it by its sequence number | waits for somebody who asks for its number  |
 *
 * Every end of a lock but completion adds one to the delivery count: abandoned, deferred, lapsed. It never goes from deferred to active.
 */
export interface StoredMessage {
  readonly sequenceNumber: number;
  readonly enqueuedAt: number;
  /** Infinity where it never expires. */
  readonly expiresAt: number;
  content: MessageContent;
  state: "active" | "deferred";
  deliveryCount: number;
  lock?: Lock;
}

/** What a receiver does with a message that it holds. */
export type Disposition =
  | { readonly kind: "complete" }
  | { readonly kind: "abandon" | "defer"; readonly properties: PropertyChanges }
  | {
      readonly kind: "deadLetter";
      readonly reason: string | undefined;
      readonly description: string | undefined;
      readonly properties: PropertyChanges;
    };

/** A received message, and the lock on it. None where it was received and deleted in one. */
export interface Received {
  readonly message: StoredMessage;
  readonly lock?: Lock;
}

/** How many messages of each kind an entity holds. Locked ones are counted by their state. */
export interface EntityCounts {
  readonly active: number;
  readonly deferred: number;
  readonly locked: number;
  readonly deadLettered: number;
}
