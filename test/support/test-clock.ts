import type { Clock, EpochMs } from "../../shared/clock.ts";
import { T0 } from "./a-run.ts";

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Lets both clocks go on by `ms`. */
  advance(ms: number): void;
  /** Sets the wall clock ahead by `ms`, or back if that is below 0. The monotonic clock does not notice. */
  step(ms: number): void;
}

export function makeTestClock(start: EpochMs = T0): TestClock {
  let wallMs = start;
  let monotonicMs = 1_000;
  return {
    now: () => wallMs,
    read: () => ({ wallMs, monotonicMs }),
    advance: (ms) => {
      wallMs += ms;
      monotonicMs += ms;
    },
    step: (ms) => {
      wallMs += ms;
    },
  };
}

/** The clocks of one machine, whose wall clock a test can set. */
export type MachineClock = Clock & Pick<TestClock, "step">;

/** Makes the clocks of a machine that go as the right ones do, but for a wall clock that is `aheadMs` ahead. */
export function makeMachineClock(right: Clock, aheadMs = 0): MachineClock {
  let offMs = aheadMs;
  const now = () => right.read().wallMs + offMs;
  return {
    now,
    read: () => ({ ...right.read(), wallMs: now() }),
    step: (ms) => {
      offMs += ms;
    },
  };
}
