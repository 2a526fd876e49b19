/** Milliseconds since 1970-01-01 UTC. */
export type EpochMs = number;

/**
 * The time of both clocks. The wall clock can jump, and the monotonic one can stop while a machine sleeps, so that
 * freshness needs both.
 */
export interface Reading {
  readonly wallMs: EpochMs;
  readonly monotonicMs: number;
}

/** The clocks of this machine. */
export interface Clock {
  /** Reads the wall clock. */
  now(): EpochMs;
  /** Reads both clocks. */
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
