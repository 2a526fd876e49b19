import { describe, expect, it } from "vitest";
import { makeRecentEnds } from "../../../shared/telemetry/recent-ends.ts";
import { aRun, closing, T0 } from "../../support/a-run.ts";
import { makeTestClock } from "../../support/test-clock.ts";

const HOUR_MS = 3_600_000;

describe("the recent ends", () => {
  it("are counted by module and outcome, and nothing else is", () => {
    const ends = makeRecentEnds(makeTestClock());
    const close = (over: Parameters<typeof closing>[1]) => ends.read({ event: "closed", run: closing(aRun(), over) });
    close({});
    close({});
    close({ status: "failed" });
    close({ module: "resize" });
    ends.read({ event: "accepted", run: aRun() });
    expect(ends.counts()).toEqual({
      since: T0,
      modules: { thumbnail: { succeeded: 2, failed: 1 }, resize: { succeeded: 1 } },
    });
  });

  it("are forgotten after an hour, and say since when they count", () => {
    const clock = makeTestClock();
    const ends = makeRecentEnds(clock);
    ends.read({ event: "closed", run: closing(aRun()) });
    clock.advance(HOUR_MS / 2);
    ends.read({ event: "closed", run: closing(aRun(), { status: "failed" }) });
    expect(ends.counts()).toEqual({ since: T0, modules: { thumbnail: { succeeded: 1, failed: 1 } } });
    clock.advance(HOUR_MS / 2 + 1);
    const { since, modules } = ends.counts();
    expect(modules).toEqual({ thumbnail: { failed: 1 } });
    expect(clock.now() - since).toBeLessThanOrEqual(HOUR_MS);
    expect(clock.now() - since).toBeGreaterThan(HOUR_MS - 6 * 60_000);
    clock.advance(2 * HOUR_MS);
    expect(ends.counts().modules).toEqual({});
  });
});
