import { describe, expect, it } from "vitest";
import { makeLiveHandler } from "../../functions/health.ts";
import { watchOver } from "../../shared/liveness.ts";
import { makeLog } from "../../shared/log.ts";
import { makeTestClock } from "../support/test-clock.ts";

const MINUTE_MS = 60_000;
const log = makeLog({ info: () => {}, warn: () => {}, error: () => {} });

/** Ticks that a test ends one by one, oldest first. */
function makeTicks() {
  const clock = makeTestClock();
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const ticks = watchOver(clock, {
    tick: () => new Promise((resolve, reject) => void ends.push({ resolve, reject })),
    stop: async () => {},
  });
  return {
    clock,
    ticks,
    begin: () => ticks.tick(log),
    end: () => ends.shift()?.resolve(),
    fail: () => ends.shift()?.reject(new Error("the bus is away")),
    status: async () => (await makeLiveHandler(ticks)()).status,
  };
}

describe("liveness", () => {
  it("is lost by a tick that runs for more than ten minutes", async () => {
    const { clock, begin, status, ticks } = makeTicks();
    void begin();
    clock.advance(10 * MINUTE_MS);
    expect(await status()).toBe(200);
    clock.advance(1);
    expect(ticks.liveness()).toEqual({ live: false, tickMs: 10 * MINUTE_MS + 1 });
    expect(await status()).toBe(503);
  });

  it("is kept by a process that does not tick, however long", async () => {
    const { clock, status, ticks } = makeTicks();
    clock.advance(24 * 60 * MINUTE_MS);
    expect(ticks.liveness()).toEqual({ live: true, tickMs: null });
    expect(await status()).toBe(200);
  });

  it("is kept by ticks that end, also if each one fails", async () => {
    const { clock, begin, end, fail, ticks } = makeTicks();
    const ended = begin();
    clock.advance(9 * MINUTE_MS);
    end();
    await ended;
    const failed = begin();
    clock.advance(9 * MINUTE_MS);
    fail();
    await expect(failed).rejects.toThrow("the bus is away");
    clock.advance(9 * MINUTE_MS);
    expect(ticks.liveness()).toEqual({ live: true, tickMs: null });
  });

  it("is not given back by a younger tick that ends, if the host began one beside the stuck one", async () => {
    const { clock, begin, ticks } = makeTicks();
    void begin();
    clock.advance(10 * MINUTE_MS);
    void begin();
    clock.advance(MINUTE_MS);
    expect(ticks.liveness()).toEqual({ live: false, tickMs: 11 * MINUTE_MS });
  });

  it("counts by the monotonic clock, because the wall clock may be set", () => {
    const { clock, begin, ticks } = makeTicks();
    void begin();
    clock.step(60 * MINUTE_MS);
    expect(ticks.liveness()).toEqual({ live: true, tickMs: 0 });
  });
});
