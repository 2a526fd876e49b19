import type { BrokerError } from "./broker-error.ts";
import type { Reply } from "./reply-link.ts";
import type { Disposition } from "./stored-message.ts";

/** One request of a client to `<entity>/$management`. */
export interface ManagementCall {
  /** The port that the client's connection comes from. A test tells its clients apart by it. */
  readonly clientPort: number;
  readonly entity: string;
  readonly operation: string;
  readonly body: unknown;
}

/** One message that a client was sent on a link, and settles on it. */
interface LinkSettlement {
  readonly clientPort: number;
  readonly entity: string;
  readonly disposition: Disposition;
}

/** What a client hears of its settlement: that it took effect, or why not. */
export type SettlementAnswer = "confirmed" | BrokerError;

/** Lets a test stand between the broker and its clients, so that work is done late, in vain, or never answered. */
export interface Interference {
  /**
   * Resolves to the client's answer, or to undefined, which leaves the client without one. `carryOut` does the
   * requested work when it is called.
   */
  onCall(call: ManagementCall, carryOut: () => Reply): Promise<Reply | undefined>;
  /**
   * Called when a message is locked and about to go to a receiver. `send` sends it. Without that call the message is
   * lost on the way, and its lock lapses. `detach` closes the link as the service does.
   */
  onDelivery(
    delivery: { readonly clientPort: number; readonly entity: string },
    send: () => void,
    detach: () => void,
  ): void;
  /**
   * Resolves to what the client hears; to undefined, which leaves the settlement without an answer; or to `detach`,
   * which closes the link instead. `carryOut` settles the message when it is called.
   */
  onSettlement(
    settlement: LinkSettlement,
    carryOut: () => SettlementAnswer,
  ): Promise<SettlementAnswer | "detach" | undefined>;
}
