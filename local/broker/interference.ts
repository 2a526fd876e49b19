import type { Reply } from "./reply-link.ts";

/** One request of a client to `<entity>/$management`. */
export interface ManagementCall {
  /** The port that the client's connection comes from: by it a test tells its clients apart. */
  readonly clientPort: number;
  readonly entity: string;
  readonly operation: string;
  readonly body: unknown;
}

/** What a test may put between the broker and its clients: work that is done late, in vain, or never answered. */
export interface Interference {
  /** Resolves to what the client is answered; undefined for nothing at all. `carryOut` does what was asked for, when it is called. */
  onCall(call: ManagementCall, carryOut: () => Reply): Promise<Reply | undefined>;
  /** A message is locked and about to go to a receiver. `send` sends it; without it, it is lost on the way and its lock lapses. */
  onDelivery(delivery: { readonly clientPort: number; readonly entity: string }, send: () => void): void;
}
