import { describe, expect, it } from "vitest";
import { isFresh, makeServiceClock } from "../../shared/clock.ts";
import { makeMachineClock, makeTestClock } from "../support/test-clock.ts";

const HOUR_MS = 3_600_000;
const MONTH_MS = 30 * 86_400_000;
const YEAR_MS = 365 * 86_400_000;

/** A machine whose wall clock is so far ahead of the service's clock, `right`. */
function setUp(aheadMs: number) {
  const right = makeTestClock();
  const machine = makeMachineClock(right, aheadMs);
  const told: number[] = [];
  const clock = makeServiceClock(machine, (ms) => told.push(ms));
  /** Sends a request that the service answers `thereMs` later, and that takes `backMs` more. */
  const ask = (thereMs = 0, backMs = 0) => {
    const sent = clock.read();
    right.advance(thereMs);
    const answered = Math.floor(right.now() / 1_000) * 1_000;
    right.advance(backMs);
    clock.hear(answered, sent);
  };
  const offMs = () => clock.now() - right.now();
  /** Sends a request that is answered at once, with a time that is so far from the right one. */
  const askWrong = (wrongMs: number) => clock.hear(right.now() + wrongMs, clock.read());
  return { right, machine, clock, told, ask, askWrong, offMs };
}

describe("the clock of a service", () => {
  it("tells the machine's own time before the first answer", () => {
    const { offMs } = setUp(HOUR_MS);
    expect(offMs()).toBe(HOUR_MS);
  });

  it.each([HOUR_MS, -HOUR_MS, MONTH_MS, -MONTH_MS])(
    "keeps to the service's time on a machine that is %d ms off",
    (ms) => {
      const { right, ask, offMs } = setUp(ms);
      right.advance(999);
      ask(20, 30);
      expect(Math.abs(offMs())).toBeLessThanOrEqual(1_050);
      right.advance(HOUR_MS);
      expect(Math.abs(offMs())).toBeLessThanOrEqual(1_050);
    },
  );

  it("comes closer with each answer, because it lies within what every one of them allows", () => {
    const { right, ask, offMs } = setUp(HOUR_MS);
    for (let answer = 0; answer < 200; answer += 1) {
      right.advance(997);
      ask(5, 5);
    }
    expect(Math.abs(offMs())).toBeLessThanOrEqual(15);
  });

  it("leaves a right clock alone, however slow the answers are", () => {
    const { right, ask, offMs, told } = setUp(0);
    for (const [there, back] of [
      [0, 0],
      [1, 9_000],
      [9_000, 1],
      [60_000, 60_000],
    ]) {
      right.advance(333);
      ask(there, back);
      expect(offMs()).toBe(0);
    }
    expect(told).toEqual([]);
  });

  it.each([HOUR_MS, -HOUR_MS])("does not notice that the wall clock is set by %d ms", (ms) => {
    const { machine, ask, offMs } = setUp(0);
    ask();
    machine.step(ms);
    expect(offMs()).toBe(0);
    ask();
    expect(offMs()).toBe(0);
  });

  it("is late after the machine slept, until the next answer", () => {
    const { right, clock, ask, told } = setUp(0);
    // While the machine sleeps, its wall clock goes on and its monotonic clock stands still.
    right.step(HOUR_MS);
    expect(clock.now()).toBe(right.now() - HOUR_MS);
    ask();
    expect(clock.now()).toBe(right.now());
    expect(told).toEqual([]);
  });

  it("believes no answer that was under way while the machine slept", () => {
    const { right, clock, told } = setUp(0);
    const sent = clock.read();
    const answered = right.now();
    right.step(HOUR_MS);
    clock.hear(answered, sent);
    expect(told).toEqual([]);
  });

  it.each([0, HOUR_MS, -HOUR_MS])(
    "does not believe one answer that is a year off, on a machine that is %d ms off",
    (ms) => {
      const { right, ask, askWrong, offMs, told } = setUp(ms);
      ask();
      const before = { offMs: offMs(), told: [...told] };
      for (const wrongMs of [YEAR_MS, -YEAR_MS, YEAR_MS, YEAR_MS]) {
        askWrong(wrongMs);
        right.advance(3_000);
        expect(offMs()).toBe(before.offMs);
      }
      ask();
      askWrong(YEAR_MS);
      expect(offMs()).toBe(before.offMs);
      expect(told).toEqual(before.told);
    },
  );

  it("believes answers that are far off once three in a row agree, because the service's clock was set", () => {
    const { right, ask, askWrong, offMs, told } = setUp(0);
    ask();
    for (const wrongMs of [HOUR_MS, HOUR_MS, YEAR_MS, HOUR_MS, HOUR_MS]) {
      askWrong(wrongMs);
      right.advance(3_000);
      expect(offMs()).toBe(0);
    }
    askWrong(HOUR_MS);
    expect(offMs()).toBe(HOUR_MS);
    expect(told).toEqual([-HOUR_MS]);
    for (let answer = 0; answer < 3; answer += 1) {
      right.advance(1_000);
      askWrong(HOUR_MS);
      expect(offMs()).toBe(HOUR_MS);
    }
  });

  it("takes the next right answer after a first one that was wrong, because the machine's own clock agrees with it", () => {
    const { right, ask, askWrong, offMs } = setUp(5_000);
    askWrong(YEAR_MS);
    expect(offMs()).toBe(YEAR_MS);
    right.advance(1_000);
    ask();
    expect(Math.abs(offMs())).toBeLessThanOrEqual(1_000);
  });

  it("is late for three answers on a machine that slept and whose wall clock is wrong", () => {
    const { right, ask, offMs } = setUp(MONTH_MS);
    ask();
    right.step(HOUR_MS);
    for (let answer = 0; answer < 3; answer += 1) {
      expect(offMs()).toBeLessThanOrEqual(1_000 - HOUR_MS);
      right.advance(1_000);
      ask();
    }
    expect(Math.abs(offMs())).toBeLessThanOrEqual(1_000);
  });

  it("says once that the machine's clock is off, again if it moves on, and when it is right again", () => {
    const { machine, ask, told } = setUp(HOUR_MS);
    ask();
    ask();
    machine.step(5_000);
    ask();
    machine.step(MONTH_MS);
    ask();
    machine.step(-HOUR_MS - MONTH_MS - 5_000);
    ask();
    ask();
    machine.step(-HOUR_MS);
    ask();
    // It says what is sure: the service's seconds are cut.
    const month = HOUR_MS + MONTH_MS + 5_000;
    expect(told).toEqual([HOUR_MS - 1_000, month - 1_000, 0, -HOUR_MS]);
  });

  it("measures freshness by the machine's own two clocks, and takes no set clock for a fresh one", () => {
    const { right, machine, clock, ask } = setUp(HOUR_MS);
    const reading = clock.read();
    ask();
    expect(isFresh(reading, clock, 60_000)).toBe(true);
    machine.step(-1);
    expect(isFresh(reading, clock, 60_000)).toBe(false);
    const another = clock.read();
    right.advance(60_001);
    expect(isFresh(another, clock, 60_000)).toBe(false);
  });
});
