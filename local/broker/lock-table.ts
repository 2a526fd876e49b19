import { randomUUID } from "node:crypto";
import { lockLost } from "./broker-error.ts";

/** A receiver's lock on a message, until a time, or until the receiver settles the message. */
export interface Lock {
  readonly token: string;
  readonly sequenceNumber: number;
  until: number;
}

/**
 * The locks of one entity. All last equally long, so they lapse in the order in which they were taken or renewed.
 * Looking for lapsed ones therefore costs nothing if there are none.
 */
export class LockTable {
  readonly #durationMs: number;
  readonly #byToken = new Map<string, Lock>();
  /**
   * Every lock with the end that it had when it was added. A renewed lock is here twice, and its first entry no longer
   * counts.
   */
  #ends: ({ lock: Lock; until: number } | undefined)[] = [];
  #head = 0;

  constructor(durationMs: number) {
    this.#durationMs = durationMs;
  }

  get size(): number {
    return this.#byToken.size;
  }

  take(sequenceNumber: number, now: number): Lock {
    const lock = { token: randomUUID(), sequenceNumber, until: now + this.#durationMs };
    this.#byToken.set(lock.token, lock);
    this.#ends.push({ lock, until: lock.until });
    return lock;
  }

  /** The lock of a token. Throws if it is dead. */
  get(token: string): Lock {
    const lock = this.#byToken.get(token);
    if (lock === undefined) throw lockLost();
    return lock;
  }

  renew(token: string, now: number): Lock {
    const lock = this.get(token);
    lock.until = now + this.#durationMs;
    this.#ends.push({ lock, until: lock.until });
    return lock;
  }

  release(lock: Lock): void {
    this.#byToken.delete(lock.token);
  }

  /** Removes the locks that have ended, and returns them. */
  lapse(now: number): Lock[] {
    const lapsed: Lock[] = [];
    for (let end = this.#next(); end !== undefined && end.until <= now; end = this.#next()) {
      this.#byToken.delete(end.lock.token);
      lapsed.push(end.lock);
    }
    return lapsed;
  }

  /** When the next lock ends; undefined if there is none. */
  nextEnd(): number | undefined {
    return this.#next()?.until;
  }

  #next(): { lock: Lock; until: number } | undefined {
    for (;;) {
      const end = this.#ends[this.#head];
      if (end === undefined) {
        this.#ends = [];
        this.#head = 0;
        return undefined;
      }
      if (this.#byToken.has(end.lock.token) && end.lock.until === end.until) return end;
      this.#ends[this.#head] = undefined;
      this.#head++;
      if (this.#head > 1024 && this.#head * 2 > this.#ends.length) {
        this.#ends = this.#ends.slice(this.#head);
        this.#head = 0;
      }
    }
  }
}
