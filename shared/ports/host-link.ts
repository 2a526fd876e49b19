import type { PeekedMessage, Properties } from "../run/message.ts";
import type { Source } from "../run/source.ts";
import type { DeadLetter } from "./message-broker.ts";

/**
 * How a settlement on the link ended.
 * - `done`: the service has confirmed it.
 * - `not offered`: this host settles nothing for us, and nothing was asked for.
 * - `in doubt`: anything else, and `why`. The message may be settled so, or be settled so a little later. So only the
 *   same settlement may be tried again.
 */
export type LinkAnswer =
  | { readonly kind: "done" }
  | { readonly kind: "not offered" }
  | { readonly kind: "in doubt"; readonly why: string };

/**
 * The host's own receive link, by which it received the deliveries that it hands to our function. A delivery that is
 * settled elsewhere stays unsettled on that link for as long as the link lives. The host offers a delivery by its lock
 * token, as long as the function runs. No call rejects, and each ends within a time of its own.
 */
export interface HostLink {
  /** The message of a delivery as it came. Undefined if the host hands over only what it made of it. */
  message(source: Source, lockToken: string): PeekedMessage | undefined;
  /** Defers the message, and stamps it. */
  defer(lockToken: string, stamp: Properties): Promise<LinkAnswer>;
  complete(lockToken: string): Promise<LinkAnswer>;
  deadLetter(lockToken: string, letter: DeadLetter): Promise<LinkAnswer>;
  /** Says why nothing can be settled on the link; undefined if it can. */
  problem(): Promise<string | undefined>;
}
