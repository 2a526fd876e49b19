import type { Entity } from "../../local/broker/entity.ts";
import { filterable } from "../../local/broker/message-content.ts";

/** How often the queues are looked at, in ms. The times of departures are later than the truth by at most this. */
const LOOK_MS = 10;
/** More messages than a bench has in one queue. */
const ALL = 100_000;

/** When a message came to the bus and left it, in ms since 1970. */
export interface Passage {
  readonly enqueuedAt: number;
  /** Undefined as long as it is there. A message that was dead-lettered is gone. */
  readonly goneAt?: number;
  readonly letter?: DeadLetter;
}

export interface DeadLetter {
  readonly reason: string;
  readonly description: string;
}

/** Notes the coming and going of all messages of some queues. */
export class Passages {
  readonly #queues: ReadonlyMap<Entity, Map<number, string>>;
  readonly #passages = new Map<string, Passage>();
  readonly #timer: NodeJS.Timeout;

  constructor(queues: readonly Entity[]) {
    this.#queues = new Map(queues.map((queue) => [queue, new Map()]));
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Finds the passage of a message by its id; undefined if it has not come yet. */
  of(id: string): Passage | undefined {
    return this.#passages.get(id);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const [queue, idsThere] of this.#queues) {
      const there = new Set<number>();
      for (const { sequenceNumber, enqueuedAt, content } of queue.peek(0, ALL)) {
        there.add(sequenceNumber);
        if (idsThere.has(sequenceNumber)) continue;
        const id = String(filterable(content).messageId);
        idsThere.set(sequenceNumber, id);
        this.#passages.set(id, { enqueuedAt });
      }
      for (const [sequenceNumber, id] of idsThere) {
        if (there.has(sequenceNumber)) continue;
        idsThere.delete(sequenceNumber);
        const letter = letterOf(queue, sequenceNumber);
        this.#passages.set(id, {
          enqueuedAt: this.#passages.get(id)?.enqueuedAt ?? Number.NaN,
          goneAt: Date.now(),
          ...(letter === undefined ? {} : { letter }),
        });
      }
    }
  }
}

function letterOf({ deadLetterQueue }: Entity, number: number): DeadLetter | undefined {
  const [message] = deadLetterQueue?.peek(number, 1) ?? [];
  if (message?.sequenceNumber !== number) return undefined;
  const { DeadLetterReason, DeadLetterErrorDescription } = filterable(message.content).properties;
  return { reason: String(DeadLetterReason), description: String(DeadLetterErrorDescription) };
}
