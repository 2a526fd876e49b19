import type { Entity } from "./entity.ts";

/** A receiver's link, as the pump sees it. */
export interface Consumer {
  /** How many messages it can be given now. */
  room(): number;
  /** Receives one message from the entity and sends it. False where none is ready. */
  deliverOne(): boolean;
  /** Called when everything ready was delivered: a drain, if the receiver asked for one, is over. */
  drained(): void;
}

const MAX_PER_TURN = 256;
/** Node fires at once where a delay does not fit into 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Hands the ready messages of one entity to its receivers, in turn, and wakes when a lock ends while somebody waits. */
export class DeliveryPump {
  readonly #entity: Entity;
  readonly #now: () => number;
  #consumers: Consumer[] = [];
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(entity: Entity, now: () => number) {
    this.#entity = entity;
    this.#now = now;
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

  /** Delivers in a turn of its own: what one tick brings is handed out together, and what a link was sent has reached its session. */
  schedule(): void {
    if (this.#scheduled || this.#consumers.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  #run(): void {
    this.#entity.lapseLocks();
    const more = this.#deliver();
    if (more) return this.schedule();
    for (const consumer of this.#consumers) consumer.drained();
    this.#wakeAtNextLockEnd();
  }

  /** True where it stopped only to let others run. */
  #deliver(): boolean {
    for (let delivered = 0; delivered < MAX_PER_TURN; delivered++) {
      const consumer = this.#consumers.find((candidate) => candidate.room() > 0);
      if (consumer === undefined || !consumer.deliverOne()) return false;
      // The next message is the next one's.
      if (this.#consumers.length > 1) {
        this.#consumers = [...this.#consumers.filter((other) => other !== consumer), consumer];
      }
    }
    return true;
  }

  #wakeAtNextLockEnd(): void {
    clearTimeout(this.#timer);
    const end = this.#entity.nextLockEnd();
    if (end === undefined || this.#consumers.length === 0) return;
    const waitMs = Math.min(Math.max(1, end - this.#now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.schedule(), waitMs);
    this.#timer.unref();
  }
}
