import { type JournalRecord, putRecord, unpacked } from "./journal-record.ts";
import type { StoredMessage } from "./stored-message.ts";

/** What the journal holds of one entity. */
export interface KeptEntity {
  readonly name: string;
  /** The last sequence number that was given out. */
  last: number;
  readonly messages: Map<number, StoredMessage>;
}

/** Every entity that a journal speaks of, by its name in lower case. Names ignore case. */
export class KeptMessages {
  readonly #entities = new Map<string, KeptEntity>();

  /** Gives away what is held of an entity. It is empty if the journal doesn't know the entity. */
  take(name: string): KeptEntity {
    const found = this.#entity(name);
    this.#entities.delete(name.toLowerCase());
    return found;
  }

  /** Names the entities that have messages and were not given away. */
  withMessages(): string[] {
    return [...this.#entities.values()].filter(({ messages }) => messages.size > 0).map(({ name }) => name);
  }

  /** Repeats a change. A change of a message that is not there changes nothing. */
  apply(record: JournalRecord): void {
    const entity = this.#entity(record.e);
    entity.last = Math.max(entity.last, record.n);
    switch (record.k) {
      case "put":
        entity.messages.set(record.n, {
          sequenceNumber: record.n,
          enqueuedAt: record.q,
          expiresAt: record.x ?? Number.POSITIVE_INFINITY,
          content: unpacked(record.c),
          state: record.s,
          deliveryCount: record.d,
        });
        return;
      case "set": {
        const message = entity.messages.get(record.n);
        if (message === undefined) return;
        message.state = record.s;
        message.deliveryCount = record.d;
        if (record.c !== undefined) message.content = unpacked(record.c);
        return;
      }
      case "del":
        entity.messages.delete(record.n);
        return;
      case "last":
        return;
      default:
        record satisfies never;
    }
  }

  /** The records that say no more than what is there now. */
  *records(): Generator<JournalRecord> {
    for (const { name, last, messages } of this.#entities.values()) {
      if (last > 0) yield { k: "last", e: name, n: last };
      for (const message of messages.values()) yield putRecord(name, message);
    }
  }

  #entity(name: string): KeptEntity {
    const key = name.toLowerCase();
    const known = this.#entities.get(key) ?? { name, last: 0, messages: new Map() };
    this.#entities.set(key, known);
    return known;
  }
}
