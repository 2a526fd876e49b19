/** Milliseconds since 1970-01-01 UTC. */
export type EpochMs = number;

/** One look at both clocks. The wall clock can jump, the monotonic one can stop while a machine sleeps: freshness asks both. */
export interface Reading {
  readonly wallMs: EpochMs;
  readonly monotonicMs: number;
}

export interface Clock {
  /** The wall clock. */
  now(): EpochMs;
  read(): Reading;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  read: () => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
};

/** Whether both clocks agree that at most `maxAgeMs` have passed since `reading`. */
export function isFresh(reading: Reading, clock: Clock, maxAgeMs: number): boolean {
  const now = clock.read();
  const wallAge = now.wallMs - reading.wallMs;
  return wallAge >= 0 && wallAge <= maxAgeMs && now.monotonicMs - reading.monotonicMs <= maxAgeMs;
}
