import type { TokenCredential } from "@azure/identity";
import { ServiceBusClient, type ServiceBusReceiver } from "@azure/service-bus";
import { UnavailableError } from "../../errors.ts";
import { type Source, sourceKey } from "../../run/source.ts";
import { type BusPlace, describeSource, type FailedCall, translateError } from "./errors.ts";
import { installPatientDecoding } from "./patient-decoding.ts";

/** How to reach the namespace, and as whom. */
export type ServiceBusConnection =
  | { readonly kind: "connectionString"; readonly value: string }
  | {
      readonly kind: "identity";
      readonly fullyQualifiedNamespace: string;
      readonly credential: TokenCredential;
      /** To which roles are assigned, for advice in errors; undefined: to whoever is logged in. */
      readonly clientId?: string | undefined;
    };

interface Generation {
  readonly client: ServiceBusClient;
  readonly receivers: Map<string, ServiceBusReceiver>;
}

/**
 * One receiver per source, over one connection, used for their management links only: no receive link is ever opened, so nothing is
 * delivered to us. The SDK mends a connection that it sees break, on the next call; one that hangs is thrown away here.
 */
export class ServiceBusReceivers {
  readonly #connection: ServiceBusConnection;
  readonly #timeoutMs: number;
  /** Where the sources are, for what errors say. */
  readonly place: BusPlace;
  #generation: Generation | undefined;
  #lastAnswerAt = Number.NEGATIVE_INFINITY;

  constructor(connection: ServiceBusConnection, timeoutMs: number) {
    this.#connection = connection;
    this.place = placeOf(connection);
    this.#timeoutMs = timeoutMs;
  }

  /** Makes one call, which is given up when the time is over. Rejects with the port's errors; the SDK's own is their cause. */
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

  /** As `call`, but rejects with what the SDK throws, for callers that tell its errors apart. */
  async attempt<T>(
    { source, operation }: FailedCall,
    operate: (receiver: ServiceBusReceiver, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const startedAt = performance.now();
    const generation = this.#current();
    const aborter = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        // First: the SDK answers an abort with an error of its own.
        reject(
          new UnavailableError(`${operation} on ${describeSource(source)}: no answer within ${this.#timeoutMs} ms`),
        );
        aborter.abort();
        if (this.#lastAnswerAt < startedAt) this.#discard(generation);
      }, this.#timeoutMs);
    });
    try {
      // Not every call of the SDK takes a signal, and its own time-outs differ from call to call.
      const result = await Promise.race([operate(receiverOf(generation, source), aborter.signal), timeout]);
      this.#lastAnswerAt = performance.now();
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Says goodbye, if that takes no longer than a call may. */
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

  /** Nothing has been heard since a whole time-out: the connection hangs. Its other calls would hang as well. */
  #discard(generation: Generation): void {
    if (this.#generation !== generation) return;
    this.#generation = undefined;
    // It can't say goodbye over a connection that hangs, and nobody waits for it.
    generation.client.close().catch(() => {});
  }
}

function placeOf(connection: ServiceBusConnection): BusPlace {
  if (connection.kind === "identity")
    return { kind: "identity", host: connection.fullyQualifiedNamespace, clientId: connection.clientId };
  return { kind: "key", host: /Endpoint=sb:\/\/([^/;:]+)/i.exec(connection.value)?.[1] ?? "" };
}

function connect(connection: ServiceBusConnection, timeoutMs: number): ServiceBusClient {
  installPatientDecoding();
  const options = { retryOptions: { maxRetries: 1, retryDelayInMs: 250, timeoutInMs: timeoutMs } };
  return connection.kind === "connectionString"
    ? new ServiceBusClient(connection.value, options)
    : new ServiceBusClient(connection.fullyQualifiedNamespace, connection.credential, options);
}

function receiverOf({ client, receivers }: Generation, source: Source): ServiceBusReceiver {
  const key = sourceKey(source);
  const known = receivers.get(key);
  if (known !== undefined) return known;
  // Bodies and dates as they were sent, not as the SDK would like them. Locks are held for one call, never renewed.
  const options = { skipParsingBodyAsJson: true, skipConvertingDate: true, maxAutoLockRenewalDurationInMs: 0 };
  const receiver =
    "queue" in source
      ? client.createReceiver(source.queue, options)
      : client.createReceiver(source.topic, source.subscription, options);
  receivers.set(key, receiver);
  return receiver;
}
