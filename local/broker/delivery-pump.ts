import type { Entity } from "./entity.ts";

/** A receiver's link, as the pump sees it. */
export interface Consumer {
  /** How many messages it can be given now. */
  room(): number;
  /** Receives one message from the entity and sends it. False if no message is ready. */
  deliverOne(): boolean;
  /** Called when everything ready was delivered. If the receiver asked for a drain, it is over. */
  drained(): void;
}

const MAX_PER_TURN = 256;
/** Node fires a timer at once if its delay does not fit into 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Hands the ready messages of one entity to its receivers, in turn. It wakes by itself when a lock ends or a scheduled
 * message is due while a receiver waits. A bug that it meets is logged, because the messages of all entities would end
 * with the process.
 */
export class DeliveryPump {
  readonly #entity: Entity;
  readonly #now: () => number;
  readonly #log: (message: string) => void;
  #consumers: Consumer[] = [];
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(entity: Entity, now: () => number, log: (message: string) => void) {
    this.#entity = entity;
    this.#now = now;
    this.#log = log;
    entity.onReady = () => this.schedule();
  }

  add(consumer: Consumer): void {
    this.#consumers.push(consumer);
    this.schedule();
  }

  remove(consumer: Consumer): void {
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    if (this.#consumers.length === 0) clearTimeout(this.#timer);
  }

  /**
   * Delivers in a turn of its own, so that the messages of one tick are handed out together, and the messages that a
   * link was sent have reached its session.
   */
  schedule(): void {
    if (this.#scheduled || this.#consumers.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      try {
        this.#run();
      } catch (error) {
        const what = error instanceof Error ? error.stack : String(error);
        this.#log(`a bug of the broker stopped a delivery from ${this.#entity.name}: ${what}`);
      }
    });
  }

  #run(): void {
    this.#entity.passTime();
    const more = this.#deliver();
    if (more) return this.schedule();
    for (const consumer of this.#consumers) consumer.drained();
    this.#wakeAtNextTime();
  }

  /** Delivers what is ready. True if it stopped only to let other work run. */
  #deliver(): boolean {
    for (let delivered = 0; delivered < MAX_PER_TURN; delivered++) {
      const consumer = this.#consumers.find((candidate) => candidate.room() > 0);
      if (consumer === undefined || !consumer.deliverOne()) return false;
      // The next message goes to the next receiver.
      if (this.#consumers.length > 1) {
        this.#consumers = [...this.#consumers.filter((other) => other !== consumer), consumer];
      }
    }
    return true;
  }

  #wakeAtNextTime(): void {
    clearTimeout(this.#timer);
    const end = this.#entity.nextTime();
    if (end === undefined || this.#consumers.length === 0) return;
    const waitMs = Math.min(Math.max(1, end - this.#now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.schedule(), waitMs);
    this.#timer.unref();
  }
}
