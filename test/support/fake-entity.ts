import { randomUUID } from "node:crypto";
import type { Clock, EpochMs } from "../../shared/clock.ts";
import { LockLostError } from "../../shared/errors.ts";
import type { DeadLetter } from "../../shared/ports/message-broker.ts";
import type { PeekedMessage, Properties } from "../../shared/run/message.ts";

/** The fields of a message that a test puts on the fake bus. All have a default. */
export interface MessageToSend {
  readonly body?: Uint8Array | string;
  readonly bodyUnreadable?: true;
  readonly messageId?: string;
  readonly correlationId?: string;
  readonly subject?: string;
  readonly contentType?: string;
  readonly properties?: Properties;
  readonly ttlMs?: number;
}

/** A message as a test looks at it. `deliveryCount` counts from 0, as the SDK does. */
export interface FakeMessage {
  readonly sequenceNumber: number;
  readonly enqueuedAt: EpochMs;
  readonly expiresAt?: EpochMs;
  readonly messageId: string;
  readonly correlationId?: string;
  readonly subject?: string;
  readonly contentType?: string;
  readonly body: Uint8Array;
  readonly bodyUnreadable?: true;
  readonly properties: Properties;
  readonly state: "active" | "deferred" | "completed" | "dead-lettered" | "expired";
  readonly deliveryCount: number;
  readonly locked: boolean;
  /** The letter of a dead-lettered message. */
  readonly letter?: DeadLetter;
}

interface Lock {
  readonly message: FakeMessage;
  readonly until: EpochMs;
}

/**
 * One queue or subscription of the fake bus, or the dead letter queue of one, with the broker's rules. Each end of a
 * lock but completion counts as a delivery, except in a dead letter queue.
 */
export class FakeEntity {
  readonly #clock: Clock;
  readonly #lockDurationMs: number;
  readonly #isDeadLetterQueue: boolean;
  /** Settled messages stay, so that tests can look at them. */
  readonly #messages = new Map<number, FakeMessage>();
  readonly #locks = new Map<string, Lock>();
  #lastNumber = 0;

  constructor(clock: Clock, lockDurationMs: number, isDeadLetterQueue: boolean) {
    this.#clock = clock;
    this.#lockDurationMs = lockDurationMs;
    this.#isDeadLetterQueue = isDeadLetterQueue;
  }

  send({ ttlMs, body = "{}", messageId, properties = {}, ...rest }: MessageToSend): FakeMessage {
    this.#lastNumber += 1;
    const enqueuedAt = this.#clock.now();
    return this.#put({
      ...rest,
      sequenceNumber: this.#lastNumber,
      enqueuedAt,
      ...(ttlMs === undefined ? {} : { expiresAt: enqueuedAt + ttlMs }),
      messageId: messageId ?? `message-${this.#lastNumber}`,
      body: typeof body === "string" ? new TextEncoder().encode(body) : body,
      properties,
      state: "active",
      deliveryCount: 0,
      locked: false,
    });
  }

  /** Puts a letter here, which keeps its number and its time. It never expires here. */
  take(message: FakeMessage): void {
    const { expiresAt: _, letter: __, ...rest } = message;
    this.#put({ ...rest, state: "active", locked: false });
  }

  /** All messages that were ever sent here, by number. */
  all(): FakeMessage[] {
    this.#lapse();
    return [...this.#messages.values()];
  }

  /** The messages that are still on the bus, from a number on. */
  present(fromSequenceNumber: number): PeekedMessage[] {
    return this.all().flatMap((message) => {
      const { locked: _, letter: __, state, ...rest } = message;
      const isHere = state === "active" || state === "deferred";
      return isHere && message.sequenceNumber >= fromSequenceNumber ? [{ ...rest, state }] : [];
    });
  }

  /** Locks the oldest active message without a lock. Undefined if no such message is here. */
  receive(): { message: FakeMessage; lockToken: string } | undefined {
    const message = this.all().find((candidate) => {
      return candidate.state === "active" && !candidate.locked && !this.#isExpired(candidate);
    });
    return message && this.#lock(message);
  }

  /** Locks a deferred message. Undefined if no deferred message has this number, or if it is locked. */
  receiveDeferred(sequenceNumber: number): { message: FakeMessage; lockToken: string } | undefined {
    const message = this.all().find((candidate) => candidate.sequenceNumber === sequenceNumber);
    if (message?.state !== "deferred" || message.locked || this.#isExpired(message)) return undefined;
    return this.#lock(message);
  }

  /** Ends a lock and changes the message as the settlement says. Throws LockLostError if the token is dead. */
  settle(lockToken: string, settlement: (message: FakeMessage) => Partial<FakeMessage>): void {
    this.#lapse();
    const lock = this.#locks.get(lockToken);
    if (lock === undefined) throw new LockLostError(`The lock ${lockToken} is not, or no longer, known.`);
    this.#locks.delete(lockToken);
    this.#put({ ...lock.message, locked: false, ...settlement(lock.message) });
  }

  /** Ends all locks now, as if their time were over. */
  lapseAll(): void {
    for (const token of this.#locks.keys()) this.settle(token, this.another);
  }

  /** Counts one more delivery that did not settle the message, unless this is a dead letter queue. */
  readonly another = (message: FakeMessage): Partial<FakeMessage> =>
    this.#isDeadLetterQueue ? {} : { deliveryCount: message.deliveryCount + 1 };

  #put(message: FakeMessage): FakeMessage {
    this.#messages.set(message.sequenceNumber, message);
    return message;
  }

  #lock(message: FakeMessage): { message: FakeMessage; lockToken: string } {
    const lockToken = randomUUID();
    this.#locks.set(lockToken, { message, until: this.#clock.now() + this.#lockDurationMs });
    this.#put({ ...message, locked: true });
    return { message, lockToken };
  }

  #lapse(): void {
    for (const [token, { message, until }] of this.#locks) {
      if (until > this.#clock.now()) continue;
      this.#locks.delete(token);
      this.#put({ ...message, locked: false, ...this.another(message) });
    }
  }

  #isExpired(message: FakeMessage): boolean {
    if (message.expiresAt === undefined || message.expiresAt > this.#clock.now()) return false;
    this.#put({ ...message, state: "expired" });
    return true;
  }
}
