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
  settleAsAsked,
} from "./amqp.ts";
import { asBrokerError, BrokerError, lockLost, notAllowed } from "./broker-error.ts";
import type { Consumer } from "./delivery-pump.ts";
import type { Entity } from "./entity.ts";
import type { Interference, SettlementAnswer } from "./interference.ts";
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
    state: message.state,
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

/** What stands between one link and its client, if anything does. */
export interface LinkOptions {
  /** For tests. May keep a delivery from being sent, or close the link. */
  readonly onDelivery?: (send: () => void, detach: () => void) => void;
  /** For tests. May settle late, in vain or without an answer. */
  readonly onSettlement?: (
    disposition: Disposition,
    carryOut: () => SettlementAnswer,
  ) => ReturnType<Interference["onSettlement"]>;
  /** The link is closed if it was sent more messages than these, and has not settled them. */
  readonly maxUnsettled?: number;
  /** Calls back when all that has changed so far is kept. */
  readonly whenSaved?: (then: () => void) => void;
}

/**
 * Delivers from an entity over one link, and settles the messages as the client's dispositions say. Locks outlive the
 * link.
 */
export function receiveLink(entity: Entity, link: Sender, options: LinkOptions = {}): Consumer {
  const { onDelivery = (send) => send(), maxUnsettled = Number.POSITIVE_INFINITY } = options;
  const { whenSaved = (then) => then() } = options;
  const mode = link.snd_settle_mode === 1 ? "receiveAndDelete" : "peekLock";
  const unsettled = new Map<Delivery, string>();
  const detach = (why: string) => link.close({ condition: "amqp:link:detach-forced", description: why });
  settleAsAsked(link);
  if (mode === "receiveAndDelete") sendSettled(link);
  answerDrains(link);
  settleOnDispositions({ entity, link, unsettled, detach, whenSaved, onSettlement: options.onSettlement });
  return {
    room: () => (link.is_open() ? roomOf(link) : 0),
    deliverOne: () => {
      const received = entity.receive(mode);
      if (received === undefined) return false;
      const tag = received.lock === undefined ? undefined : deliveryTag(received.lock.token);
      const send = () => {
        if (!link.is_open()) return;
        const delivery = link.send(encodeMessage(entity, received), tag, 0);
        if (received.lock !== undefined) unsettled.set(delivery, received.lock.token);
        if (unsettled.size > maxUnsettled) detach(`The link has ${unsettled.size} deliveries that are not settled.`);
      };
      // A message that is received and deleted may only be sent once it is surely gone from here.
      const sendWhenGone = mode === "receiveAndDelete" ? () => whenSaved(send) : send;
      onDelivery(sendWhenGone, () => detach("The link was closed by the broker."));
      return true;
    },
    drained: () => endDrain(link),
  };
}

function settleOnDispositions({
  entity,
  link,
  unsettled,
  detach,
  whenSaved,
  onSettlement = async (_, carryOut) => carryOut(),
}: {
  readonly entity: Entity;
  readonly link: Sender;
  readonly unsettled: Map<Delivery, string>;
  readonly detach: (why: string) => void;
  readonly whenSaved: (then: () => void) => void;
  readonly onSettlement?: LinkOptions["onSettlement"];
}): void {
  const settle = (context: EventContext, disposition: Disposition): void => {
    // What comes for a link that the broker has closed is too late.
    if (!link.is_open()) return;
    const delivery = deliveryOf(context);
    const token = unsettled.get(delivery);
    const answer = (given: SettlementAnswer): void => {
      if (!link.is_open()) return;
      unsettled.delete(delivery);
      if (given === "confirmed") confirmSettlement(delivery);
      else refuseSettlement(delivery, given.condition, given.message);
    };
    void onSettlement(disposition, () => carryOut(entity, token, disposition)).then((given) => {
      if (given === "detach") detach("The link was closed by the broker.");
      else if (given !== undefined) whenSaved(() => answer(given));
    });
  };
  link.on("accepted", (context: EventContext) => settle(context, { kind: "complete" }));
  link.on("released", (context: EventContext) => settle(context, { kind: "release" }));
  link.on("modified", (context: EventContext) => {
    const state: ModifiedState = deliveryOf(context).remote_state ?? {};
    // rhea reads the long form of a boolean as the number 1 or 0.
    const kind = state.undeliverable_here ? "defer" : "abandon";
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

function carryOut(entity: Entity, token: string | undefined, disposition: Disposition): SettlementAnswer {
  try {
    if (token === undefined) throw lockLost();
    entity.settle(token, disposition);
    return "confirmed";
  } catch (error) {
    return asBrokerError(error);
  }
}

interface ModifiedState {
  readonly undeliverable_here?: boolean | number;
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
