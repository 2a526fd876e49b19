import type { Delivery, EventContext, Sender } from "rhea";
import rhea from "rhea";
import {
  answerDrains,
  confirmSettlement,
  deliveryOf,
  endDrain,
  refuseSettlement,
  roomOf,
  sendSettled,
} from "./amqp.ts";
import { asBrokerError, BrokerError, lockLost, notAllowed } from "./broker-error.ts";
import type { Consumer } from "./delivery-pump.ts";
import type { Entity } from "./entity.ts";
import { wrapChanges, writeMessage } from "./message-content.ts";
import { toWire } from "./sequence-number.ts";
import type { Disposition, Received } from "./stored-message.ts";

/** Encodes a received message as it goes over the wire. */
export function encodeMessage(entity: Entity, { message, lock }: Received): Buffer {
  return writeMessage(message.content, {
    sequenceNumber: toWire(message.sequenceNumber, entity.settings.partitioned),
    enqueuedAt: message.enqueuedAt,
    expiresAt: message.expiresAt,
    deliveryCount: message.deliveryCount,
    deferred: message.state === "deferred",
    ...(lock === undefined ? {} : { lockedUntil: lock.until }),
  });
}

/** Throws if this link may not receive from the entity. */
export function assertReceivable(entity: Entity, link: Sender): void {
  const filters = link.source?.filter ?? {};
  if ("com.microsoft:session-filter" in filters) {
    throw new BrokerError("amqp:not-implemented", 501, "This broker has no session receivers.");
  }
  if (entity.settings.requiresSession) throw sessionRequired();
}

/** The service's refusal for a receiver without a session, if the entity requires sessions. */
export function sessionRequired(): BrokerError {
  return notAllowed(
    "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.",
  );
}

/**
 * Delivers from an entity over one link, and settles the messages as the client's dispositions say. Locks outlive the
 * link. `around` may keep a delivery from being sent.
 */
export function receiveLink(
  entity: Entity,
  link: Sender,
  around: (send: () => void) => void = (send) => send(),
): Consumer {
  const mode = link.snd_settle_mode === 1 ? "receiveAndDelete" : "peekLock";
  const tokens = new WeakMap<Delivery, string>();
  if (mode === "receiveAndDelete") sendSettled(link);
  answerDrains(link);
  settleOnDispositions(entity, link, tokens);
  return {
    room: () => (link.is_open() ? roomOf(link) : 0),
    deliverOne: () => {
      const received = entity.receive(mode);
      if (received === undefined) return false;
      const tag = received.lock === undefined ? undefined : deliveryTag(received.lock.token);
      around(() => {
        const delivery = link.send(encodeMessage(entity, received), tag, 0);
        if (received.lock !== undefined) tokens.set(delivery, received.lock.token);
      });
      return true;
    },
    drained: () => endDrain(link),
  };
}

function settleOnDispositions(entity: Entity, link: Sender, tokens: WeakMap<Delivery, string>): void {
  const settle = (context: EventContext, disposition: Disposition): void => {
    const delivery = deliveryOf(context);
    try {
      const token = tokens.get(delivery);
      if (token === undefined) throw lockLost();
      tokens.delete(delivery);
      entity.settle(token, disposition);
      confirmSettlement(delivery);
    } catch (error) {
      const { condition, message } = asBrokerError(error);
      refuseSettlement(delivery, condition, message);
    }
  };
  link.on("accepted", (context: EventContext) => settle(context, { kind: "complete" }));
  link.on("released", (context: EventContext) => settle(context, { kind: "abandon", properties: new Map() }));
  link.on("modified", (context: EventContext) => {
    const state: ModifiedState = deliveryOf(context).remote_state ?? {};
    const kind = state.undeliverable_here === true ? "defer" : "abandon";
    settle(context, { kind, properties: wrapChanges(state.message_annotations) });
  });
  link.on("rejected", (context: EventContext) => {
    const state: RejectedState = deliveryOf(context).remote_state ?? {};
    const {
      DeadLetterReason: reason,
      DeadLetterErrorDescription: description,
      ...properties
    } = state.error?.info ?? {};
    settle(context, {
      kind: "deadLetter",
      reason: reason ?? undefined,
      description: description ?? undefined,
      properties: wrapChanges(properties),
    });
  });
}

interface ModifiedState {
  readonly undeliverable_here?: boolean;
  readonly message_annotations?: Record<string, unknown> | null;
}
interface RejectedState {
  readonly error?: {
    readonly info?: {
      readonly DeadLetterReason?: string | null;
      readonly DeadLetterErrorDescription?: string | null;
      readonly [name: string]: unknown;
    } | null;
  };
}

/** Makes a delivery tag of a lock token. A GUID's first three groups are in .NET's byte order. */
function deliveryTag(token: string): Buffer {
  const bytes = rhea.string_to_uuid(token);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
