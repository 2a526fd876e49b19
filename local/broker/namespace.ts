import { entityNotFound, notAllowed } from "./broker-error.ts";
import { type BrokerEntities, type EntitySettings, filterOf, settingsOf } from "./entities.ts";
import { Entity } from "./entity.ts";
import type { Journal } from "./journal.ts";
import type { KeptMessages } from "./kept-messages.ts";
import { type FilterableMessage, filterable, type MessageContent } from "./message-content.ts";
import type { MessageFilter } from "./message-filter.ts";

interface Topic {
  readonly name: string;
  readonly subscriptions: { readonly entity: Entity; readonly takes: MessageFilter }[];
}

/** Where changes are written down, and what an earlier process has written there. */
interface Memory {
  readonly journal: Journal;
  readonly kept: KeptMessages;
}

/**
 * All entities of a broker, found by address. Addresses ignore case. `/$management`, and a scheme with host, are not
 * part of them.
 */
export class Namespace {
  readonly #receivable = new Map<string, Entity>();
  readonly #topics = new Map<string, Topic>();
  readonly #now: () => number;
  readonly #memory: Memory | undefined;

  /** Without a memory, the messages are gone with the process. */
  constructor(entities: BrokerEntities, now: () => number, memory?: Memory) {
    this.#now = now;
    this.#memory = memory;
    for (const queue of entities.queues) this.#add(queue.name, settingsOf(queue));
    for (const { name, subscriptions } of entities.topics) {
      const topic: Topic = {
        name,
        subscriptions: subscriptions.map((config) => ({
          entity: this.#add(`${name}/subscriptions/${config.name}`, settingsOf(config)),
          takes: filterOf(config),
        })),
      };
      this.#topics.set(keyOf(name), topic);
    }
    this.#addKept(entities);
  }

  /** Every queue and subscription, without their dead letter queues. */
  get entities(): Entity[] {
    return [...this.#receivable.values()].filter((entity) => entity.deadLetterQueue !== undefined);
  }

  /** Calls `then` when all that has changed so far is kept: at once if everything is in memory. */
  whenSaved(then: () => void): void {
    if (this.#memory === undefined) then();
    else this.#memory.journal.whenSaved(then);
  }

  /** Whether an entity or a topic has this address. */
  has(address: string): boolean {
    return this.#receivable.has(keyOf(address)) || this.#topics.has(keyOf(address));
  }

  /** The entity to receive from. Throws if there is none. */
  receivable(address: string): Entity {
    const entity = this.#receivable.get(keyOf(address));
    if (entity !== undefined) return entity;
    if (this.#topics.has(keyOf(address)))
      throw notAllowed(`'${address}' is a topic. Receive from a subscription of it.`);
    throw entityNotFound(address);
  }

  /** Throws unless messages can be sent to this address. */
  assertSendable(address: string): void {
    if (this.#topics.has(keyOf(address))) return;
    if (!isQueue(this.receivable(address))) throw notAllowed(`Messages can't be sent to '${address}'.`);
  }

  /**
   * Puts messages into a queue, or into each subscription of a topic that takes them. Throws, and puts none, if one is
   * refused.
   */
  publish(address: string, contents: readonly MessageContent[]): void {
    this.assertSendable(address);
    const topic = this.#topics.get(keyOf(address));
    const targets = topic?.subscriptions ?? [{ entity: this.receivable(address), takes: () => true }];
    const deliveries = contents.map((content) => ({ content, facts: lazily(() => filterable(content)) }));
    for (const { facts } of deliveries) {
      if (targets.some(({ entity }) => entity.settings.requiresSession) && typeof facts().sessionId !== "string") {
        throw notAllowed(`The SessionId was not set on a message, and it cannot be sent to the entity '${address}'.`);
      }
    }
    for (const { content, facts } of deliveries) {
      for (const { entity, takes } of targets) if (topic === undefined || takes(facts())) entity.enqueue(content);
    }
  }

  /**
   * Adds what an earlier process had and left messages in, though nobody lists it any more. A Dispatcher that lists it
   * again wants its messages, and until then must not take it for deleted. Its locks last as long as those of the first
   * entity that is listed. A subscription takes no new messages.
   */
  #addKept({ queues, topics }: BrokerEntities): void {
    const [listed = { name: "" }] = [...queues, ...topics.flatMap(({ subscriptions }) => subscriptions)];
    const { lockDurationMs } = settingsOf(listed);
    for (const name of this.#memory?.kept.withMessages() ?? []) {
      const own = name.replace(/\/\$deadletterqueue$/i, "");
      if (!this.has(own)) this.#add(own, settingsOf({ name: own, lockDurationMs }));
    }
  }

  #add(name: string, settings: EntitySettings): Entity {
    const entity = new Entity(name, settings, this.#now, { deadLetterQueue: true, journal: this.#memory?.journal });
    for (const one of [entity, entity.deadLetterQueue]) {
      if (one === undefined) continue;
      this.#receivable.set(keyOf(one.name), one);
      if (this.#memory !== undefined) one.restore(this.#memory.kept.take(one.name));
    }
    return entity;
  }
}

function isQueue(entity: Entity): boolean {
  return entity.deadLetterQueue !== undefined && !/\/subscriptions\//i.test(entity.name);
}

function keyOf(address: string): string {
  return address
    .toLowerCase()
    .replace(/^[a-z]+:\/\/[^/]*/, "")
    .replace(/^\/+/, "")
    .replace(/\/\$management$/, "")
    .replace(/\/+$/, "");
}

function lazily(make: () => FilterableMessage): () => FilterableMessage {
  let made: FilterableMessage | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
