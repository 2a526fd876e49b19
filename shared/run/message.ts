import type { EpochMs } from "../clock.ts";

/** Application properties as the bus carries them. */
export type Properties = Readonly<Record<string, unknown>>;

/** A message as a peek shows it: whole, and without a lock. */
export interface PeekedMessage {
  readonly state: "active" | "deferred" | "scheduled";
  readonly sequenceNumber: number;
  readonly enqueuedAt: EpochMs;
  readonly expiresAt?: EpochMs;
  /** How often it was given out and not settled, by the count of the bus. */
  readonly deliveryCount?: number;
  readonly messageId?: string;
  readonly correlationId?: string;
  readonly subject?: string;
  readonly contentType?: string;
  /** The sender's bytes, untouched. */
  readonly body: Uint8Array;
  /**
   * Set if the message can't be decoded, or its body not be made bytes, most likely because it nests lists by the
   * thousand. `body` is empty then, and not what was sent.
   */
  readonly bodyUnreadable?: true;
  readonly properties: Properties;
}
