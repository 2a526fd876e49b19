import type {
  ProcessErrorArgs,
  ServiceBusClient,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
} from "@azure/service-bus";
import pLimit, { type LimitFunction } from "p-limit";
import { errorStack } from "./error-stack.ts";
import type { HostJson } from "./host-json.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoke } from "./invoke.ts";
import { keepLocked } from "./keep-locked.ts";
import { ofMessage } from "./message-trigger.ts";
import type { RegisteredFunction } from "./rpc.ts";

/** A trigger that is running. */
export interface Listener {
  /** Takes no new work, and resolves when the running work has ended. */
  stop(): Promise<void>;
}

/**
 * After this many messages the listener replaces its receiver. A function that defers or completes over another
 * connection leaves its delivery unsettled on this link, and a link of this client stalls for ever once 2,047 more
 * deliveries follow one of those.
 */
const MESSAGES_PER_RECEIVER = 1_000;

export interface ServiceBusListenerOptions {
  readonly client: ServiceBusClient;
  readonly fn: RegisteredFunction;
  readonly entity: Entity;
  readonly settings: HostJson["extensions"]["serviceBus"];
  readonly invoke: Invoke;
  readonly log: HostLog;
  readonly messagesPerReceiver?: number;
}

/** The queue or subscription that a Service Bus trigger listens at. */
export type Entity = { readonly queue: string } | { readonly topic: string; readonly subscription: string };

/**
 * Listens at one entity and runs the function once per message, at most `maxConcurrentCalls` at a time, by the real
 * host's rules:
 * - The lock is renewed while the function runs.
 * - A message whose function throws is abandoned at once.
 * - A message whose function returns is completed only with `autoCompleteMessages`. Otherwise it is left alone, and its
 *   lock lapses unless the function settled it.
 */
export function listen(options: ServiceBusListenerOptions): Listener {
  const { client, entity, fn, log } = options;
  const limit = pLimit(options.settings.maxConcurrentCalls);
  const links = new Set<Link>();
  let current = open();
  let stopping = false;

  function open(): Link {
    const receiver =
      "queue" in entity
        ? client.createReceiver(entity.queue, RECEIVER_OPTIONS)
        : client.createReceiver(entity.topic, entity.subscription, RECEIVER_OPTIONS);
    const link = new Link(receiver, limit, options, () => {
      if (stopping || link !== current) return;
      // The new receiver opens first, so that there is no gap. Both share the limit, so together they run no more than
      // one would.
      current = open();
      retire(link);
    });
    links.add(link);
    return link;
  }

  function retire(link: Link): void {
    link
      .close()
      .catch((error: unknown) => log.system("warning", `${fn.name}: closing a receiver failed: ${errorStack(error)}`))
      .finally(() => links.delete(link));
  }

  return {
    async stop() {
      stopping = true;
      await Promise.allSettled([...links].map((link) => link.close()));
    },
  };
}

// The host renews locks by itself. The client's own renewal would go on after a function has returned without settling
// its message.
const RECEIVER_OPTIONS = {
  receiveMode: "peekLock",
  skipParsingBodyAsJson: true,
  maxAutoLockRenewalDurationInMs: 0,
} as const;

/** One receiver, from its first message to its last. */
class Link {
  readonly #receiver: ServiceBusReceiver;
  readonly #limit: LimitFunction;
  readonly #options: ServiceBusListenerOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #subscription: { close(): Promise<void> };
  #taken = 0;
  #settlements: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(
    receiver: ServiceBusReceiver,
    limit: LimitFunction,
    options: ServiceBusListenerOptions,
    onUsedUp: () => void,
  ) {
    this.#receiver = receiver;
    this.#limit = limit;
    this.#options = options;
    const budget = options.messagesPerReceiver ?? MESSAGES_PER_RECEIVER;
    this.#subscription = receiver.subscribe(
      {
        processMessage: async (message) => {
          this.#taken += 1;
          if (this.#taken === budget) onUsedUp();
          const run = this.#limit(() => this.#handle(message)).finally(() => this.#running.delete(run));
          this.#running.add(run);
          await run;
        },
        processError: async (args) => this.#report(args),
      },
      { autoCompleteMessages: false, maxConcurrentCalls: options.settings.maxConcurrentCalls },
    );
  }

  /** Stops its credit, waits for its invocations, and closes it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#subscription.close();
    await Promise.allSettled(this.#running);
    await this.#settlements;
    await this.#receiver.close();
  }

  async #handle(message: ServiceBusReceivedMessage): Promise<void> {
    const { fn, invoke, settings, log } = this.#options;
    const autoComplete = fn.trigger.binding["autoCompleteMessages"] ?? settings.autoCompleteMessages;
    const letGo = keepLocked(this.#receiver, message, settings.maxAutoLockRenewalDuration);
    try {
      await invoke(fn, ofMessage(message, fn.trigger.binding["dataType"]));
      letGo();
      if (autoComplete === true) await this.#settle("complete", message);
    } catch (error) {
      letGo();
      log.of(fn.name)("error", "system", `message ${String(message.sequenceNumber)} failed: ${errorStack(error)}`);
      await this.#settle("abandon", message);
    }
  }

  /**
   * Settles one message at a time. If two neighbours are settled in one tick, the client sends both with the outcome of
   * the first.
   */
  #settle(how: "complete" | "abandon", message: ServiceBusReceivedMessage): Promise<void> {
    const { fn, log } = this.#options;
    this.#settlements = this.#settlements.then(async () => {
      try {
        if (how === "complete") await this.#receiver.completeMessage(message);
        else await this.#receiver.abandonMessage(message);
      } catch (error) {
        // The function settled the message by itself, or its lock is gone. Either way it is no longer ours.
        log.of(fn.name)(
          "debug",
          "system",
          `could not ${how} message ${String(message.sequenceNumber)}: ${errorStack(error)}`,
        );
      }
    });
    return this.#settlements;
  }

  async #report({ error, errorSource, entityPath }: ProcessErrorArgs): Promise<void> {
    if (this.#closing) return;
    this.#options.log.system("warning", `${errorSource} at ${entityPath} failed, trying again: ${error.message}`);
  }
}
