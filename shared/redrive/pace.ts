import { setTimeout as sleep } from "node:timers/promises";
import type { Clock, Reading } from "../clock.ts";
import type { Redrive } from "../run/redrive.ts";

/** Letters that are received in one request, and claimed as one batch, at most. */
export const BATCH = 100;

/** Whether a redrive has redriven as many letters as it may. */
export function hasAll({ most, redriven }: Redrive): boolean {
  return most !== undefined && redriven >= most;
}

/** How many letters may be claimed next: a second's worth at most, so that a low rate comes in small steps. */
export function nextBatch({ most = Number.POSITIVE_INFINITY, redriven, perSecond }: Redrive): number {
  return Math.max(1, Math.min(BATCH, perSecond, most - redriven));
}

/** Keeps one turn of a replica to the rate that a person gave a redrive. */
export class Pace {
  readonly #clock: Clock;
  readonly #begun: Reading;
  #claimed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#begun = clock.read();
  }

  /** Counts letters that were claimed. */
  note(claimed: number): void {
    this.#claimed += claimed;
  }

  /** Waits until another batch may be claimed, or `signal` aborts. */
  async awaitTurn({ perSecond }: Redrive, signal: AbortSignal): Promise<void> {
    const passedMs = this.#clock.read().monotonicMs - this.#begun.monotonicMs;
    const waitMs = (this.#claimed / perSecond) * 1000 - passedMs;
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
}
