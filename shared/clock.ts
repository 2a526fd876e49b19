/** Milliseconds since 1970-01-01 UTC. */
export type EpochMs = number;

/**
 * The time of both clocks of this machine. The wall clock can jump, and the monotonic one can stop while a machine
 * sleeps, so that freshness needs both.
 */
export interface Reading {
  readonly wallMs: EpochMs;
  readonly monotonicMs: number;
}

/** The clocks of one process. */
export interface Clock {
  /** Tells the time that is written into rows, and compared with what other processes wrote. */
  now(): EpochMs;
  /** Reads both clocks of this machine. They measure how long something takes within this process, and nothing else. */
  read(): Reading;
}

/** The clocks of this machine, however wrong they are. */
export const systemClock: Clock = {
  now: () => Date.now(),
  read: () => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
};

/** Whether both clocks agree that at most `maxAgeMs` have passed since `reading`. */
export function isFresh(reading: Reading, clock: Pick<Clock, "read">, maxAgeMs: number): boolean {
  const now = clock.read();
  const wallAge = now.wallMs - reading.wallMs;
  return wallAge >= 0 && wallAge <= maxAgeMs && now.monotonicMs - reading.monotonicMs <= maxAgeMs;
}

/** A clock whose time is that of a service which all replicas use. */
export interface ServiceClock extends Clock {
  /**
   * Takes the time that an answer of the service names in whole seconds. `sent` are both clocks before the request was
   * sent.
   */
  readonly hear: (serviceMs: EpochMs, sent: Reading) => void;
}

/** The service cuts its time to whole seconds. */
const CUT_MS = 1_000;

/** How far the machine's wall clock has to be off before a person is told, or is told again. */
const TOLD_MS = 10_000;

/** An answer whose time is further off than this is doubted. */
const DOUBTED_MS = 10_000;

/** So many answers in a row that are doubted, and agree, are believed. */
const AGREEING = 3;

/** What an answer says of how much the service's time is ahead of this machine's monotonic clock, in ms. */
interface Bounds {
  readonly leastMs: number;
  readonly mostMs: number;
}

/**
 * Makes a clock that keeps to the time of a service, so that the clocks of all replicas agree, and a machine whose wall
 * clock is wrong harms no other. `now` is the service's time as last heard, and goes on by the monotonic clock. Setting
 * the wall clock therefore changes nothing, and a machine that slept is late only until the next answer. Before the
 * first answer, `now` is the machine's own time.
 *
 * The first answer is believed. A later one is doubted if it is far from `now` and from the wall clock too, because one
 * server of the service may be wrong. It is believed if the next two say the same, so that `now` follows a service whose
 * clock was set.
 *
 * `onOff` is called with how far the machine's wall clock is ahead at least, in ms (behind if below 0), whenever that
 * has changed by more than ten seconds; with 0 if it is right again.
 */
export function makeServiceClock(machine: Clock, onOff: (aheadMs: number) => void): ServiceClock {
  const start = machine.read();
  let offsetMs = start.wallMs - start.monotonicMs;
  let toldMs = 0;
  let isHeard = false;
  let doubted: readonly Bounds[] = [];

  /** Gives what to believe after an answer: what it says itself, or what it and others agree on. Undefined if nothing. */
  function believed(answer: Bounds, wallOffsetMs: number): Bounds | undefined {
    const isNear = (ms: number) => Math.abs(ms - within(ms, answer)) <= DOUBTED_MS;
    if (!isHeard || isNear(offsetMs) || isNear(wallOffsetMs)) {
      doubted = [];
      return answer;
    }
    const all = overlap([...doubted, answer]);
    doubted = all ? [...doubted, answer] : [answer];
    return doubted.length < AGREEING ? undefined : all;
  }

  return {
    now: () => Math.round(machine.read().monotonicMs + offsetMs),
    read: () => machine.read(),
    hear(serviceMs, sent) {
      const now = machine.read();
      // The answer may have been under way for as long as the request took, by the clock that says more: one of them
      // may have been set, or have stopped, meanwhile.
      const tookMs = Math.max(now.monotonicMs - sent.monotonicMs, now.wallMs - sent.wallMs);
      const leastMs = serviceMs - now.monotonicMs;
      const wallOffsetMs = now.wallMs - now.monotonicMs;
      const bounds = believed({ leastMs, mostMs: leastMs + CUT_MS + tookMs }, wallOffsetMs);
      if (bounds === undefined) return;
      isHeard = true;
      offsetMs = within(offsetMs, bounds);
      const offMs = wallOffsetMs - within(wallOffsetMs, bounds);
      const aheadMs = Math.abs(offMs) > TOLD_MS ? offMs : 0;
      if (Math.abs(aheadMs - toldMs) <= TOLD_MS) return;
      toldMs = aheadMs;
      onOff(aheadMs);
    },
  };
}

function within(ms: number, { leastMs, mostMs }: Bounds): number {
  return Math.min(Math.max(ms, leastMs), mostMs);
}

/** Gives what all of these allow; undefined if they contradict each other. */
function overlap(all: readonly Bounds[]): Bounds | undefined {
  const leastMs = Math.max(...all.map((bounds) => bounds.leastMs));
  const mostMs = Math.min(...all.map((bounds) => bounds.mostMs));
  return leastMs <= mostMs ? { leastMs, mostMs } : undefined;
}
