import type { Clock, EpochMs } from "../../shared/clock.ts";
import { T0 } from "./a-run.ts";

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Lets both clocks go on by `ms`. */
  advance(ms: number): void;
}

export function makeTestClock(start: EpochMs = T0): TestClock {
  let passedMs = 0;
  return {
    now: () => start + passedMs,
    read: () => ({ wallMs: start + passedMs, monotonicMs: 1_000 + passedMs }),
    advance: (ms) => {
      passedMs += ms;
    },
  };
}
