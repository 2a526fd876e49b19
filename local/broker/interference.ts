import type { Reply } from "./reply-link.ts";

/** One request of a client to `<entity>/$management`. */
export interface ManagementCall {
  /** The port that the client's connection comes from. A test tells its clients apart by it. */
  readonly clientPort: number;
  readonly entity: string;
  readonly operation: string;
  readonly body: unknown;
}

/** Lets a test stand between the broker and its clients, so that work is done late, in vain, or never answered. */
export interface Interference {
  /**
   * Resolves to the client's answer, or to undefined, which leaves the client without one. `carryOut` does the
   * requested work when it is called.
   */
  onCall(call: ManagementCall, carryOut: () => Reply): Promise<Reply | undefined>;
  /**
   * Called when a message is locked and about to go to a receiver. `send` sends it. Without that call the message is
   * lost on the way, and its lock lapses.
   */
  onDelivery(delivery: { readonly clientPort: number; readonly entity: string }, send: () => void): void;
}
