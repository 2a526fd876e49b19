import type { ServiceBusReceivedMessage } from "@azure/service-bus";

/**
 * Makes a message out of its lock token alone, for the calls of a receiver that settle.
 *
 * The trigger's function knows only the token, because the host received the message over its own connection. The
 * service settles by token over any connection, but the SDK has no call that takes a token. Its receiver takes a
 * message without a link (`delivery: {}`) for a deferred one, and settles it over the management link by the token
 * alone. Without `delivery` it throws a TypeError. This is an internal shape of the SDK, so its version is pinned
 * exactly, and a contract test checks the shape for queues and subscriptions.
 */
export function bareLockToken(lockToken: string): ServiceBusReceivedMessage {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the internal shape described above
  return { lockToken, delivery: {} } as unknown as ServiceBusReceivedMessage;
}
