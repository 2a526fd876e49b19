import type {
  ProcessErrorArgs,
  ServiceBusClient,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
} from "@azure/service-bus";
import pLimit, { type LimitFunction } from "p-limit";
import { bareLockToken } from "../shared/adapters/service-bus/bare-lock-token.ts";
import type { OfferedDeliveries } from "../shared/adapters/standalone-host/offered-deliveries.ts";
import { errorStack } from "./error-stack.ts";
import type { HostJson } from "./host-json.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoke } from "./invoke.ts";
import { isLinkOpen } from "./is-link-open.ts";
import { type KeptLock, keepLocked } from "./keep-locked.ts";
import { ofMessage } from "./message-trigger.ts";
import type { RegisteredFunction } from "./rpc.ts";

/** A trigger that is running. */
export interface Listener {
  /** Takes no new work, and resolves when the running work has ended. */
  stop(): Promise<void>;
}

/**
 * The listener replaces its receiver when this many deliveries came after one that is not settled on its link. A link of
 * this client stalls for ever once 2,047 more follow. A delivery that its function left is never settled to be rid of
 * it: to accept it would complete the message, and to release it would bring the message back at once.
 */
const DELIVERIES_AFTER_UNSETTLED = 1_000;

export interface ServiceBusListenerOptions {
  readonly client: ServiceBusClient;
  readonly fn: RegisteredFunction;
  readonly entity: Entity;
  readonly settings: HostJson["extensions"]["serviceBus"];
  readonly invoke: Invoke;
  readonly log: HostLog;
  /** Where each delivery is offered to the app, while its function runs. */
  readonly deliveries: OfferedDeliveries;
  readonly deliveriesAfterUnsettled?: number;
}

/** The queue or subscription that a Service Bus trigger listens at. */
export type Entity = { readonly queue: string } | { readonly topic: string; readonly subscription: string };

/**
 * Listens at one entity and runs the function once per message, at most `maxConcurrentCalls` at a time, by the real
 * host's rules:
 * - The lock is renewed from the arrival of the message until its function has ended. If it is lost before the function
 *   begins, the function does not run.
 * - A message whose function throws is abandoned at once.
 * - A message whose function returns is completed only with `autoCompleteMessages`. Otherwise it is left alone, and its
 *   lock lapses unless the function settled it.
 * - While the function runs, the app can settle the message on the link that brought it. If that link is lost, this goes
 *   over the management link.
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
// its message. Bodies and dates stay as they were sent, because the app is given the message as it came.
const RECEIVER_OPTIONS = {
  receiveMode: "peekLock",
  skipParsingBodyAsJson: true,
  skipConvertingDate: true,
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
  /** The deliveries that are not settled on this link, by their order, oldest first. */
  readonly #unsettled = new Set<number>();
  #turn: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(
    receiver: ServiceBusReceiver,
    limit: LimitFunction,
    options: ServiceBusListenerOptions,
    onWornOut: () => void,
  ) {
    this.#receiver = receiver;
    this.#limit = limit;
    this.#options = options;
    const most = options.deliveriesAfterUnsettled ?? DELIVERIES_AFTER_UNSETTLED;
    this.#subscription = receiver.subscribe(
      {
        processMessage: async (message) => {
          const order = this.#taken++;
          this.#unsettled.add(order);
          const [oldest = order] = this.#unsettled;
          // guard: left-delivery-renews-link
          if (order - oldest >= most) onWornOut();
          // It may have to wait for its turn, because the calls of lost links run on beside those of a new one.
          const lock = keepLocked(receiver, message, options.settings.maxAutoLockRenewalDuration);
          const run = this.#limit(() => this.#handle(message, order, lock)).finally(() => this.#running.delete(run));
          this.#running.add(run);
          await run;
          // The client now gives its newest link a credit. That link has had one for each call already, so that it must
          // have none for a delivery of a link before it.
          if (!isLinkOpen(message)) await new Promise(() => {});
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
    await this.#receiver.close();
  }

  async #handle(message: ServiceBusReceivedMessage, order: number, lock: KeptLock): Promise<void> {
    if (lock.isLost()) return;
    const { fn, invoke, settings, log } = this.#options;
    const autoComplete = fn.trigger.binding["autoCompleteMessages"] ?? settings.autoCompleteMessages;
    const withdraw = this.#offer(message, order);
    const end = () => {
      lock.letGo();
      withdraw();
    };
    try {
      await invoke(fn, ofMessage(message, fn.trigger.binding["dataType"]));
      end();
      if (autoComplete === true) await this.#tryTo("complete", message, order);
    } catch (error) {
      end();
      log.of(fn.name)("error", "system", `message ${String(message.sequenceNumber)} failed: ${errorStack(error)}`);
      await this.#tryTo("abandon", message, order);
    }
  }

  /** Offers a delivery to the app. Returns the function that withdraws it. */
  #offer(message: ServiceBusReceivedMessage, order: number): () => void {
    const { deliveries } = this.#options;
    const lockToken = message.lockToken ?? "";
    const receiver = this.#receiver;
    deliveries.set(lockToken, {
      message,
      complete: () => this.#settle(message, order, (settled) => receiver.completeMessage(settled)),
      defer: (properties) => this.#settle(message, order, (settled) => receiver.deferMessage(settled, properties)),
      deadLetter: (letter) => this.#settle(message, order, (settled) => receiver.deadLetterMessage(settled, letter)),
    });
    return () => deliveries.delete(lockToken);
  }

  async #tryTo(how: "complete" | "abandon", message: ServiceBusReceivedMessage, order: number): Promise<void> {
    const { fn, log } = this.#options;
    const receiver = this.#receiver;
    try {
      if (how === "complete") await this.#settle(message, order, (settled) => receiver.completeMessage(settled));
      else await this.#settle(message, order, (settled) => receiver.abandonMessage(settled));
    } catch (error) {
      // The function settled the message by itself, or its lock is gone. Either way it is no longer ours.
      log.of(fn.name)(
        "debug",
        "system",
        `could not ${how} message ${String(message.sequenceNumber)}: ${errorStack(error)}`,
      );
    }
  }

  /**
   * Settles a delivery on this link. The replies of several settlements may be outstanding at once. If the link is lost,
   * the client would send the settlement nowhere, and wait a minute for its reply. So it is told the bare lock token.
   */
  async #settle(
    message: ServiceBusReceivedMessage,
    order: number,
    settle: (settled: ServiceBusReceivedMessage) => Promise<void>,
  ): Promise<void> {
    // guard: own-turn
    await this.#ownTurn();
    await settle(isLinkOpen(message) ? message : bareLockToken(message.lockToken ?? ""));
    this.#unsettled.delete(order);
  }

  /**
   * Resolves in a turn of the event loop that no other settlement on this link has. If two neighbours are settled in
   * one turn, the client sends both as the first of them: with its outcome, its stamp, its reason.
   */
  #ownTurn(): Promise<void> {
    this.#turn = this.#turn.then(
      () =>
        new Promise((resolve) => {
          setImmediate(resolve);
        }),
    );
    return this.#turn;
  }

  async #report({ error, errorSource, entityPath }: ProcessErrorArgs): Promise<void> {
    if (this.#closing) return;
    this.#options.log.system("warning", `${errorSource} at ${entityPath} failed, trying again: ${error.message}`);
  }
}
