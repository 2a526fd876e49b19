import type { ServiceBusReceivedMessage } from "@azure/service-bus";

/**
 * A message of which only the lock token is known, for the settling calls of a receiver.
 *
 * The trigger's function knows a token and no more: its message was received by the host, over a connection that is not ours. The service
 * settles by token from any connection, but the SDK has no call that takes one. Its receiver does take a message without a link
 * (`delivery: {}`; without it, it throws a TypeError) for a deferred one, and settles that over the management link by its token alone.
 * That is an internal shape: the SDK's version is pinned exactly, and a contract test holds it for queues and subscriptions.
 */
export function bareLockToken(lockToken: string): ServiceBusReceivedMessage {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the internal shape described above
  return { lockToken, delivery: {} } as unknown as ServiceBusReceivedMessage;
}
