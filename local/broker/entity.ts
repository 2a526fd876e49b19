import { badArgument, messageNotFound, notAllowed } from "./broker-error.ts";
import type { EntitySettings } from "./entities.ts";
import type { Journal } from "./journal.ts";
import type { KeptEntity } from "./kept-messages.ts";
import { LockTable } from "./lock-table.ts";
import { type MessageContent, type PropertyChanges, withProperties, wrapChanges } from "./message-content.ts";
import { SequenceIndex } from "./sequence-index.ts";
import type { Disposition, EntityCounts, Received, StoredMessage } from "./stored-message.ts";

interface Letter {
  readonly reason: string | undefined;
  readonly description: string | undefined;
  readonly properties?: PropertyChanges;
  /**
   * Writes the dead letter even if the properties have no space left. The broker's own dead letters set it, because a
   * message must not be stuck for want of space.
   */
  readonly byBroker?: boolean;
}

const MAX_DEAD_LETTER_TEXT = 4096;

/**
 * The messages of a queue, a subscription, or the dead letter queue of one, with the counting rules of the live
 * service. Everything is in memory, and in the journal if there is one. It sets no timers, so its user calls
 * `passTime` when a lock has ended, or the time of a scheduled message has come.
 *
 * A dead letter queue is worked in as any other, but its letters keep their number, their time and their delivery
 * count, they don't expire, and they leave only if a receiver takes or completes them.
 */
export class Entity {
  readonly name: string;
  readonly settings: EntitySettings;
  /** Undefined for a dead letter queue. */
  readonly deadLetterQueue: Entity | undefined;
  /** Called whenever a message has become ready to be received, or waits for a time. */
  onReady: () => void = () => {};
  readonly #now: () => number;
  readonly #messages = new Map<number, StoredMessage>();
  readonly #order = new SequenceIndex();
  readonly #ready = new SequenceIndex();
  readonly #scheduled = new Set<StoredMessage>();
  readonly #locks: LockTable;
  readonly #journal: Journal | undefined;
  #lastNumber = 0;

  constructor(
    name: string,
    settings: EntitySettings,
    now: () => number,
    options: { readonly deadLetterQueue: boolean; readonly journal?: Journal | undefined },
  ) {
    this.name = name;
    this.settings = settings;
    this.#now = now;
    this.#locks = new LockTable(settings.lockDurationMs);
    this.#journal = options.journal;
    this.deadLetterQueue = options.deadLetterQueue
      ? new Entity(`${name}/$deadletterqueue`, { ...settings, requiresSession: false }, now, {
          ...options,
          deadLetterQueue: false,
        })
      : undefined;
  }

  /** Takes over the messages that a journal has kept. None is locked, and no number is given out twice. */
  restore({ last, messages }: KeptEntity): void {
    this.#lastNumber = last;
    for (const message of messages.values()) {
      this.#messages.set(message.sequenceNumber, message);
      this.#order.add(message.sequenceNumber);
      this.#place(message);
      this.#journal?.hasContent(message.content);
    }
  }

  /** Puts a new message at the end, or keeps it until its time has come. Returns its sequence number. */
  enqueue({ scheduledAt, ...content }: MessageContent): number {
    const enqueuedAt = Math.max(this.#now(), scheduledAt ?? 0);
    const ttlMs = Math.min(
      content.ttlMs ?? Number.POSITIVE_INFINITY,
      this.settings.defaultTtlMs ?? Number.POSITIVE_INFINITY,
    );
    this.#lastNumber++;
    const expiresAt = enqueuedAt + ttlMs;
    this.#insert({
      sequenceNumber: this.#lastNumber,
      enqueuedAt,
      expiresAt,
      content,
      state: enqueuedAt > this.#now() ? "scheduled" : "active",
      deliveryCount: 0,
    });
    return this.#lastNumber;
  }

  /** Takes the oldest message that is ready. In peek-lock it is locked; in receive-and-delete it is removed. */
  receive(mode: "peekLock" | "receiveAndDelete"): Received | undefined {
    for (;;) {
      const sequenceNumber = this.#ready.shift();
      if (sequenceNumber === undefined) return undefined;
      const message = this.#message(sequenceNumber);
      if (!this.#expire(message)) return this.#hand(message, mode);
    }
  }

  /**
   * Takes deferred messages by number, each once, however often its number is given. Throws, and takes none, if one of
   * them can't be had.
   */
  receiveDeferred(sequenceNumbers: readonly number[], mode: "peekLock" | "receiveAndDelete"): Received[] {
    this.passTime();
    const messages = [...new Set(sequenceNumbers)].map((sequenceNumber) => {
      const message = this.#messages.get(sequenceNumber);
      if (message?.state !== "deferred" || message.lock !== undefined || this.#expire(message)) throw messageNotFound();
      return message;
    });
    return messages.map((message) => this.#hand(message, mode));
  }

  /** Up to `count` messages from this number on, whatever their state, without touching them. */
  peek(fromSequenceNumber: number, count: number): StoredMessage[] {
    this.passTime();
    return this.#order.from(fromSequenceNumber, count).map((number) => this.#message(number));
  }

  /** Settles the message of a lock. Throws if the lock is dead. Changes nothing if the properties have no space. */
  settle(token: string, disposition: Disposition): void {
    this.passTime();
    const lock = this.#locks.get(token);
    const message = this.#message(lock.sequenceNumber);
    switch (disposition.kind) {
      case "complete":
        return this.#remove(message);
      case "release":
        return this.#unlock(message);
      case "deadLetter":
        return this.#deadLetter(message, disposition);
      case "abandon":
      case "defer":
        message.content = withProperties(message.content, disposition.properties);
        if (disposition.kind === "defer") message.state = "deferred";
        return this.#endDelivery(message);
      default:
        return disposition satisfies never;
    }
  }

  /** Prolongs a lock. Returns its new end. */
  renewLock(token: string): number {
    this.passTime();
    return this.#locks.renew(token, this.#now()).until;
  }

  /**
   * Ends the locks whose time is over. Their messages are active, or deferred, as before. Enqueues the scheduled messages
   * whose time has come, the earliest first.
   */
  passTime(): void {
    for (const lock of this.#locks.lapse(this.#now())) this.#endDelivery(this.#message(lock.sequenceNumber));
    if (this.#scheduled.size === 0) return;
    const due = [...this.#scheduled].filter(({ enqueuedAt }) => enqueuedAt <= this.#now());
    for (const message of due.toSorted((a, b) => a.enqueuedAt - b.enqueuedAt)) {
      this.#remove(message);
      this.enqueue(message.content);
    }
  }

  /** When the next lock ends, or the next scheduled message is due; undefined if nothing waits for a time. */
  nextTime(): number | undefined {
    const times = [...this.#scheduled].map(({ enqueuedAt }) => enqueuedAt);
    const next = Math.min(this.#locks.nextEnd() ?? Number.POSITIVE_INFINITY, ...times);
    return Number.isFinite(next) ? next : undefined;
  }

  counts(): EntityCounts {
    this.passTime();
    let deferred = 0;
    for (const message of this.#messages.values()) if (message.state === "deferred") deferred++;
    const deadLettered = this.deadLetterQueue?.size ?? 0;
    const scheduled = this.#scheduled.size;
    return { active: this.size - deferred - scheduled, deferred, scheduled, locked: this.#locks.size, deadLettered };
  }

  /** How many messages there are, locked ones included. The dead letter queue has a count of its own. */
  get size(): number {
    return this.#messages.size;
  }

  #message(sequenceNumber: number): StoredMessage {
    const message = this.#messages.get(sequenceNumber);
    if (message === undefined) throw new Error(`${this.name} has lost message ${sequenceNumber}: a bug of the broker`);
    return message;
  }

  #insert(message: StoredMessage): void {
    this.#messages.set(message.sequenceNumber, message);
    this.#order.add(message.sequenceNumber);
    this.#journal?.put(this.name, message);
    this.#place(message);
  }

  /** Lets a message without a lock be received, or waits for its time. */
  #place(message: StoredMessage): void {
    if (message.state === "active") this.#makeReady(message);
    if (message.state !== "scheduled") return;
    this.#scheduled.add(message);
    this.onReady();
  }

  #makeReady(message: StoredMessage): void {
    this.#ready.add(message.sequenceNumber);
    this.onReady();
  }

  #hand(message: StoredMessage, mode: "peekLock" | "receiveAndDelete"): Received {
    if (mode === "receiveAndDelete") {
      this.#remove(message);
      return { message };
    }
    message.lock = this.#locks.take(message.sequenceNumber, this.#now());
    return { message, lock: message.lock };
  }

  /** Ends the lock of a delivery that did not settle its message, and counts it, except in a dead letter queue. */
  #endDelivery(message: StoredMessage): void {
    if (this.deadLetterQueue === undefined) return this.#unlock(message);
    message.deliveryCount++;
    if (message.deliveryCount < this.settings.maxDeliveryCount) return this.#unlock(message);
    const description = `Message could not be consumed after ${this.settings.maxDeliveryCount} delivery attempts.`;
    this.#deadLetter(message, { reason: "MaxDeliveryCountExceeded", description, byBroker: true });
  }

  /** Ends a lock whose message stays here. */
  #unlock(message: StoredMessage): void {
    if (message.lock !== undefined) this.#locks.release(message.lock);
    delete message.lock;
    this.#journal?.change(this.name, message);
    if (message.state === "active") this.#makeReady(message);
  }

  /** Removes or dead-letters the message if it has outlived its time. True if it has. */
  #expire(message: StoredMessage): boolean {
    if (this.deadLetterQueue === undefined || message.expiresAt > this.#now()) return false;
    if (this.settings.deadLetteringOnExpiration) {
      const description = "The message expired and was dead lettered.";
      this.#deadLetter(message, { reason: "TTLExpiredException", description, byBroker: true });
    } else {
      this.#remove(message);
    }
    return true;
  }

  #deadLetter(message: StoredMessage, letter: Letter): void {
    if (this.deadLetterQueue === undefined)
      throw notAllowed("A message of a dead letter queue cannot be dead-lettered.");
    for (const text of [letter.reason, letter.description]) {
      if (text !== undefined && text.length > MAX_DEAD_LETTER_TEXT) {
        throw badArgument(`Dead letter reason and description may each have ${MAX_DEAD_LETTER_TEXT} characters.`);
      }
    }
    const texts = {
      ...(letter.reason === undefined ? {} : { DeadLetterReason: letter.reason }),
      ...(letter.description === undefined ? {} : { DeadLetterErrorDescription: letter.description }),
    };
    const changes = new Map([...(letter.properties ?? []), ...wrapChanges(texts)]);
    const content = withProperties(message.content, changes, { byBroker: letter.byBroker ?? false });
    this.#remove(message);
    const { sequenceNumber, enqueuedAt, expiresAt, deliveryCount } = message;
    this.deadLetterQueue.#insert({ sequenceNumber, enqueuedAt, expiresAt, deliveryCount, content, state: "active" });
  }

  #remove(message: StoredMessage): void {
    if (message.lock !== undefined) this.#locks.release(message.lock);
    this.#messages.delete(message.sequenceNumber);
    this.#order.remove(message.sequenceNumber);
    this.#ready.remove(message.sequenceNumber);
    this.#scheduled.delete(message);
    this.#journal?.remove(this.name, message.sequenceNumber);
  }
}
