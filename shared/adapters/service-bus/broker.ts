import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import Long from "long";
import { ConfigError, LockLostError, UnavailableError } from "../../errors.ts";
import type {
  DeadLetter,
  DeadLetterQueue,
  DeferredKey,
  DeferredOutcome,
  Entity,
  MessageBroker,
  ReceivedLetter,
} from "../../ports/message-broker.ts";
import type { PeekedMessage, Properties } from "../../run/message.ts";
import type { RunKey } from "../../run/run.ts";
import { FIRST_PARTITIONED_NUMBER } from "../../run/sequence-number.ts";
import type { Source } from "../../run/source.ts";
import { unforged } from "../../run/stamp.ts";
import { bareLockToken } from "./bare-lock-token.ts";
import {
  describeSource,
  isEntityMissing,
  isLockLost,
  isMessageNotFound,
  isRefusal,
  isSessionRequired,
  missingSource,
  translateError,
} from "./errors.ts";
import { carriedProperties, toPeekedMessage, toReceivedLetter } from "./message.ts";
import { lettersToTry, stampsToTry } from "./properties-that-fit.ts";
import { type ServiceBusConnection, ServiceBusReceivers } from "./receivers.ts";

const BUS_TIMEOUT_MS = 10_000;
/** How long a dead letter may take to come. */
const LETTER_WAIT_MS = 2_000;
/** No entity ever reaches this number, so that asking for its message disturbs nothing. */
const NO_SUCH_NUMBER = FIRST_PARTITIONED_NUMBER - 1;

/**
 * Makes the port to Azure Service Bus. Every call ends within `timeoutMs` (10 s), a call on a deferred message within
 * twice that.
 */
export function makeServiceBusBroker(
  connection: ServiceBusConnection,
  options: { readonly timeoutMs?: number } = {},
): MessageBroker {
  return new ServiceBusBroker(new ServiceBusReceivers(connection, options.timeoutMs ?? BUS_TIMEOUT_MS));
}

class ServiceBusBroker implements MessageBroker {
  readonly #receivers: ServiceBusReceivers;

  constructor(receivers: ServiceBusReceivers) {
    this.#receivers = receivers;
  }

  async defer(entity: Entity, lockToken: string, stamp: Properties): Promise<void> {
    const message = bareLockToken(lockToken);
    await this.#firstAccepted(entity, "defer", stampsToTry(stamp), (receiver, properties) =>
      receiver.deferMessage(message, properties),
    );
  }

  async completeLocked(entity: Entity, lockToken: string): Promise<void> {
    await this.#receivers.call({ source: entity, operation: "complete" }, (receiver) =>
      receiver.completeMessage(bareLockToken(lockToken)),
    );
  }

  async deadLetterLocked(source: Source, lockToken: string, letter: DeadLetter): Promise<void> {
    const message = bareLockToken(lockToken);
    await this.#firstAccepted(source, "dead-letter", lettersToTry(letter), (receiver, options) =>
      receiver.deadLetterMessage(message, options),
    );
  }

  async receiveLetters(from: DeadLetterQueue, count: number): Promise<ReceivedLetter[]> {
    const call = { source: from, operation: "receive" };
    const messages = await this.#receivers.receive(call, count, LETTER_WAIT_MS);
    return messages.map((message) => toReceivedLetter(from, message));
  }

  async giveBack(from: DeadLetterQueue, lockToken: string): Promise<void> {
    await this.#receivers.call({ source: from, operation: "give back" }, (receiver) =>
      receiver.abandonMessage(bareLockToken(lockToken)),
    );
  }

  async peek(entity: Entity, sequenceNumber: number): Promise<PeekedMessage | undefined> {
    const [message] = await this.#peek(entity, sequenceNumber, 1);
    // The service answers with the first message from this number on.
    return message?.sequenceNumber === sequenceNumber ? message : undefined;
  }

  async browse(entity: Entity, fromSequenceNumber: number, count: number): Promise<PeekedMessage[]> {
    const messages: PeekedMessage[] = [];
    // The size of one answer is limited, so that only an empty one means the end.
    while (messages.length < count) {
      const from = (messages.at(-1)?.sequenceNumber ?? fromSequenceNumber - 1) + 1;
      const page = await this.#peek(entity, from, count - messages.length);
      if (page.length === 0) break;
      messages.push(...page);
    }
    return messages;
  }

  async completeDeferred(key: DeferredKey): Promise<DeferredOutcome> {
    return this.#settleDeferred(key, (message) =>
      this.#receivers.call({ source: key.source, operation: "complete" }, (receiver) =>
        receiver.completeMessage(message),
      ),
    );
  }

  async requeueDeferred(key: DeferredKey, stamp: Properties): Promise<DeferredOutcome> {
    return this.#settleDeferred(key, (message) => {
      const stamps = stampsToTry(stamp, carriedProperties(message));
      return this.#firstAccepted(key.source, "requeue", stamps, (receiver, properties) =>
        receiver.abandonMessage(message, properties),
      );
    });
  }

  async deadLetterDeferred(key: RunKey, letter: DeadLetter): Promise<DeferredOutcome> {
    return this.#settleDeferred(key, (message) => {
      const carried = carriedProperties(message);
      const properties = unforged(letter.properties, carried.application);
      const letters = lettersToTry({ ...letter, properties }, carried);
      return this.#firstAccepted(key.source, "dead-letter", letters, (receiver, options) =>
        receiver.deadLetterMessage(message, options),
      );
    });
  }

  async verify(source: Source): Promise<void> {
    const call = { source, operation: "verify" };
    try {
      const messages = await this.#receivers.attempt(call, (receiver, abortSignal) =>
        receiver.peekMessages(1, { fromSequenceNumber: Long.ONE, abortSignal }),
      );
      for (const message of messages) toPeekedMessage(source, message);
      await this.#receivers.attempt(call, (receiver, abortSignal) =>
        receiver.receiveDeferredMessages(Long.fromNumber(NO_SUCH_NUMBER), { abortSignal }),
      );
    } catch (error) {
      if (isMessageNotFound(error)) return;
      if (isEntityMissing(error)) {
        throw new ConfigError(
          `${missingSource(source, this.#receivers.place)}, or name an existing one in the module's source`,
          { cause: error },
        );
      }
      if (isSessionRequired(error)) {
        throw new ConfigError(
          `${describeSource(source)} requires sessions, which a source can't have: create it again without them`,
          { cause: error },
        );
      }
      throw translateError(error, call, this.#receivers.place);
    }
  }

  async close(): Promise<void> {
    await this.#receivers.close();
  }

  async #peek(entity: Entity, fromSequenceNumber: number, count: number): Promise<PeekedMessage[]> {
    const from = Long.fromNumber(fromSequenceNumber);
    const messages = await this.#receivers.call({ source: entity, operation: "peek" }, (receiver, abortSignal) =>
      receiver.peekMessages(count, { fromSequenceNumber: from, abortSignal }),
    );
    return messages.map((message) => toPeekedMessage(entity, message));
  }

  /**
   * Receives exactly this message, and settles it. A lock lost meanwhile becomes an UnavailableError, because the
   * settlement may have worked.
   */
  async #settleDeferred(
    key: DeferredKey,
    settle: (message: ServiceBusReceivedMessage) => Promise<void>,
  ): Promise<DeferredOutcome> {
    const message = await this.#receiveDeferred(key);
    if (message === undefined) return "missing";
    try {
      // guard: enqueued-time-on-receive
      if (message.enqueuedTimeUtc?.getTime() !== key.enqueuedAt) {
        // The entity was created again and counts from 1, so that another message has this number. It goes back
        // unchanged.
        await this.#receivers.call({ source: key.source, operation: "give back" }, (receiver) =>
          receiver.abandonMessage(message),
        );
        return "missing";
      }
      await settle(message);
      return "done";
    } catch (error) {
      if (!(error instanceof LockLostError)) throw error;
      throw new UnavailableError(`message ${key.sequenceNumber}: ${error.message}`, { cause: error });
    }
  }

  async #receiveDeferred(key: DeferredKey): Promise<ServiceBusReceivedMessage | undefined> {
    const call = { source: key.source, operation: "receive deferred" };
    try {
      const [message] = await this.#receivers.attempt(call, (receiver, abortSignal) =>
        receiver.receiveDeferredMessages(Long.fromNumber(key.sequenceNumber), { abortSignal }),
      );
      return message;
    } catch (error) {
      if (isMessageNotFound(error)) return undefined;
      throw translateError(error, call, this.#receivers.place);
    }
  }

  /**
   * Settles with the first of these choices that the broker accepts. Each later one needs less space for properties.
   */
  async #firstAccepted<T>(
    source: Entity,
    operation: string,
    choices: readonly T[],
    settle: (receiver: ServiceBusReceiver, choice: T) => Promise<void>,
  ): Promise<void> {
    const call = { source, operation };
    for (const [index, choice] of choices.entries()) {
      try {
        return await this.#receivers.attempt(call, (receiver) => settle(receiver, choice));
      } catch (error) {
        if (index + 1 < choices.length && isRefusal(error) && !isLockLost(error)) continue;
        throw translateError(error, call, this.#receivers.place);
      }
    }
  }
}
