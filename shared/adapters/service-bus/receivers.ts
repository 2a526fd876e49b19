import type { TokenCredential } from "@azure/identity";
import { ServiceBusClient, type ServiceBusReceivedMessage, type ServiceBusReceiver } from "@azure/service-bus";
import { UnavailableError } from "../../errors.ts";
import type { Entity } from "../../ports/message-broker.ts";
import { sourceKey } from "../../run/source.ts";
import { type BusPlace, describeEntity, type FailedCall, translateError } from "./errors.ts";
import { installPatientDecoding } from "./patient-decoding.ts";
import { installSureClosing } from "./sure-closing.ts";
import { hostIn, overWebSockets } from "./web-sockets.ts";

/** How to reach the namespace: by connection string or by identity. */
export type ServiceBusConnection = (
  | { readonly kind: "connectionString"; readonly value: string }
  | {
      readonly kind: "identity";
      readonly fullyQualifiedNamespace: string;
      readonly credential: TokenCredential;
      /** The identity to which errors advise to assign a role. Undefined means the person who is logged in. */
      readonly clientId?: string | undefined;
    }
) & {
  /** Whether AMQP goes within a WebSocket, on port 443. */
  readonly webSockets?: boolean;
};

interface Generation {
  readonly client: ServiceBusClient;
  readonly receivers: Map<string, ServiceBusReceiver>;
}

/**
 * Keeps one receiver per entity over one connection, for their management links only. No receive link of theirs is ever
 * opened, so that no message is delivered to us; `receive` opens one of its own. The SDK repairs a broken connection at
 * the next call; a connection that hangs is discarded here.
 */
export class ServiceBusReceivers {
  readonly #connection: ServiceBusConnection;
  readonly #timeoutMs: number;
  /** The namespace of the sources, for error texts. */
  readonly place: BusPlace;
  #generation: Generation | undefined;
  #lastAnswerAt = Number.NEGATIVE_INFINITY;

  constructor(connection: ServiceBusConnection, timeoutMs: number) {
    this.#connection = connection;
    this.place = placeOf(connection);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Makes one call, and gives it up when the time is over. Rejects with the port's errors, whose cause is the SDK's.
   */
  async call<T>(
    call: FailedCall,
    operate: (receiver: ServiceBusReceiver, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.attempt(call, operate);
    } catch (error) {
      throw translateError(error, call, this.place);
    }
  }

  /** Does the same as `call`, but rejects with the SDK's own errors, for callers that distinguish them. */
  attempt<T>(call: FailedCall, operate: (receiver: ServiceBusReceiver, signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#inTime(call, (generation, signal) => operate(keptReceiver(generation, call.source), signal));
  }

  /**
   * Locks up to `count` messages that wait in an entity. Gives none if none comes within `waitMs`. Its link is closed
   * when it has them, and their locks go on.
   */
  async receive(call: FailedCall, count: number, waitMs: number): Promise<ServiceBusReceivedMessage[]> {
    try {
      return await this.#inTime(call, async ({ client }, abortSignal) => {
        const receiver = openReceiver(client, call.source);
        try {
          return await receiver.receiveMessages(count, { maxWaitTimeInMs: waitMs, abortSignal });
        } finally {
          // The messages are ours by now, however the link ends.
          receiver.close().catch(() => {});
        }
      });
    } catch (error) {
      throw translateError(error, call, this.place);
    }
  }

  async #inTime<T>(
    { source, operation }: FailedCall,
    operate: (generation: Generation, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const startedAt = performance.now();
    const generation = this.#current();
    const aborter = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        // Rejects before it aborts, because the SDK answers an abort with an error of its own.
        reject(
          new UnavailableError(`${operation} on ${describeEntity(source)}: no answer within ${this.#timeoutMs} ms`),
        );
        aborter.abort();
        if (this.#lastAnswerAt < startedAt) this.#discard(generation);
      }, this.#timeoutMs);
    });
    try {
      // The race is needed because not every call of the SDK takes a signal, and its own time-outs differ from call to
      // call.
      const result = await Promise.race([operate(generation, aborter.signal), timeout]);
      this.#lastAnswerAt = performance.now();
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection, and gives that up after the time of one call. */
  async close(): Promise<void> {
    const generation = this.#generation;
    this.#generation = undefined;
    if (generation === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs);
    });
    await Promise.race([generation.client.close(), timeout]).finally(() => clearTimeout(timer));
  }

  #current(): Generation {
    this.#generation ??= { client: connect(this.#connection, this.#timeoutMs), receivers: new Map() };
    return this.#generation;
  }

  /** Discards a connection that has not answered for a whole time-out, because all its calls would hang. */
  #discard(generation: Generation): void {
    if (this.#generation !== generation) return;
    this.#generation = undefined;
    // A hanging connection can't be closed properly, so that its close is not waited for.
    generation.client.close().catch(() => {});
  }
}

function placeOf(connection: ServiceBusConnection): BusPlace {
  if (connection.kind === "identity")
    return { kind: "identity", host: connection.fullyQualifiedNamespace, clientId: connection.clientId };
  return { kind: "key", host: hostIn(connection.value) };
}

function connect(connection: ServiceBusConnection, timeoutMs: number): ServiceBusClient {
  installPatientDecoding();
  installSureClosing();
  const options = {
    retryOptions: { maxRetries: 1, retryDelayInMs: 250, timeoutInMs: timeoutMs },
    ...(connection.webSockets ? overWebSockets(placeOf(connection).host) : {}),
  };
  return connection.kind === "connectionString"
    ? new ServiceBusClient(connection.value, options)
    : new ServiceBusClient(connection.fullyQualifiedNamespace, connection.credential, options);
}

function keptReceiver({ client, receivers }: Generation, entity: Entity): ServiceBusReceiver {
  const key = "deadLettersOf" in entity ? `dead|${sourceKey(entity.deadLettersOf)}` : sourceKey(entity);
  const known = receivers.get(key);
  if (known !== undefined) return known;
  const receiver = openReceiver(client, entity);
  receivers.set(key, receiver);
  return receiver;
}

function openReceiver(client: ServiceBusClient, entity: Entity): ServiceBusReceiver {
  // Bodies and dates stay as they were sent. Locks are never renewed, because each is held for one call.
  const common = { skipParsingBodyAsJson: true, skipConvertingDate: true, maxAutoLockRenewalDurationInMs: 0 };
  const isDead = "deadLettersOf" in entity;
  const options = isDead ? { ...common, subQueueType: "deadLetter" as const } : common;
  const source = isDead ? entity.deadLettersOf : entity;
  return "queue" in source
    ? client.createReceiver(source.queue, options)
    : client.createReceiver(source.topic, source.subscription, options);
}
