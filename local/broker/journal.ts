import { setImmediate } from "node:timers/promises";
import type { JournalFile } from "./journal-file.ts";
import { type JournalRecord, putRecord, setRecord } from "./journal-record.ts";
import type { MessageContent } from "./message-content.ts";
import type { StoredMessage } from "./stored-message.ts";

/** Changes that are written together, and what follows when they are on the disk. */
interface Batch {
  readonly records: JournalRecord[];
  readonly thens: (() => void)[];
}

/**
 * Writes down what changes in the entities, so that a broker that was killed finds its messages again. Locks are not
 * written: a broker that starts again holds none.
 *
 * The changes of one turn make one line, and while a line is on its way to the disk, those of all turns wait for the
 * next one. So a busy broker syncs once for many messages. Before a client hears that something is done, the broker asks
 * `whenSaved`.
 */
export class Journal {
  readonly #file: JournalFile;
  /** The contents that the file has already. */
  readonly #contents = new WeakSet<MessageContent>();
  #next: Batch = { records: [], thens: [] };
  #current: Batch | undefined;
  #idle: Promise<void> = Promise.resolve();

  constructor(file: JournalFile) {
    this.#file = file;
  }

  put(entity: string, message: StoredMessage): void {
    this.#contents.add(message.content);
    this.#add(putRecord(entity, message));
  }

  change(entity: string, message: StoredMessage): void {
    const isContentNew = !this.#contents.has(message.content);
    this.#contents.add(message.content);
    this.#add(setRecord(entity, message, isContentNew));
  }

  remove(entity: string, sequenceNumber: number): void {
    this.#add({ k: "del", e: entity, n: sequenceNumber });
  }

  /** Notes that the file has the message already, because it was read from there. */
  hasContent(content: MessageContent): void {
    this.#contents.add(content);
  }

  /** Calls `then` when all changes so far are on the disk: at once if they are. */
  whenSaved(then: () => void): void {
    const last = this.#next.records.length > 0 ? this.#next : this.#current;
    if (last === undefined) then();
    else last.thens.push(then);
  }

  /** Resolves when all is written and the file is closed. */
  async close(): Promise<void> {
    while (this.#next.records.length > 0 || this.#current !== undefined) await this.#idle;
    await this.#file.close();
  }

  #add(record: JournalRecord): void {
    this.#next.records.push(record);
    if (this.#next.records.length > 1 || this.#current !== undefined) return;
    // The rest of this turn, and of the turns that are due, goes into the same line.
    this.#idle = setImmediate().then(() => this.#write());
  }

  /**
   * Writes until nothing is left. If the disk refuses a line, the rejection ends the process: clients may rely on nothing
   * that came after it.
   */
  async #write(): Promise<void> {
    while (this.#next.records.length > 0) {
      const batch = this.#next;
      this.#current = batch;
      this.#next = { records: [], thens: [] };
      await this.#file.append(batch.records);
      this.#current = undefined;
      for (const then of batch.thens) then();
    }
  }
}
