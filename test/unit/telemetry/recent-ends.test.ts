import { describe, expect, it } from "vitest";
import { ConflictError, UnavailableError } from "../../../shared/errors.ts";
import { recentEnds, tookLately } from "../../../shared/run/recent-ends.ts";
import { makeRecentEnds } from "../../../shared/telemetry/recent-ends.ts";
import { aRun, closing, T0 } from "../../support/a-run.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { makeTestClock } from "../../support/test-clock.ts";

const HOUR_MS = 3_600_000;

/** A table, and as many processes that count what they close as a test makes. */
function world() {
  const clock = makeTestClock();
  const instanceTable = makeFakeRunTable({ clock });
  return {
    clock,
    instanceTable,
    counter: () => {
      const ends = makeRecentEnds({ instanceTable, clock });
      return {
        ...ends,
        close: (over: Parameters<typeof closing>[1] = {}) =>
          ends.read({ event: "closed", run: closing(aRun(), { closedAt: clock.now(), ...over }) }),
      };
    },
    noted: async () => recentEnds((await instanceTable.ends())?.ends, clock.now()),
    took: async (module = "thumbnail") => tookLately((await instanceTable.ends())?.ends, module, clock.now()),
  };
}

describe("the recent ends", () => {
  it("are counted by module and outcome, and nothing else is", async () => {
    const { counter, noted } = world();
    const { read, close, note } = counter();
    close();
    close();
    close({ status: "rejected" });
    close({ module: "resize" });
    read({ event: "accepted", run: aRun() });
    await note();
    expect(await noted()).toEqual({
      since: T0,
      modules: { thumbnail: { succeeded: 2, rejected: 1 }, resize: { succeeded: 1 } },
      firstAt: { thumbnail: T0, resize: T0 },
    });
  });

  it("survive the process that counted them, and add up over all processes", async () => {
    const { clock, counter, noted } = world();
    const first = counter();
    const second = counter();
    first.close();
    await first.note();
    clock.advance(60_000);
    second.close();
    await second.note();
    first.close({ status: "failed" });
    await first.note();
    const restarted = counter();
    restarted.close();
    await restarted.note();
    expect(await noted()).toEqual({
      since: T0,
      modules: { thumbnail: { succeeded: 3, failed: 1 } },
      firstAt: { thumbnail: T0 },
    });
  });

  it("are forgotten after an hour, and say since when they count", async () => {
    const { clock, counter, noted } = world();
    const { close, note } = counter();
    close();
    await note();
    clock.advance(HOUR_MS / 2);
    close({ status: "failed" });
    await note();
    expect(await noted()).toEqual({
      since: T0,
      modules: { thumbnail: { succeeded: 1, failed: 1 } },
      firstAt: { thumbnail: T0 },
    });
    clock.advance(HOUR_MS / 2 + 1);
    const { since, modules } = await noted();
    expect(modules).toEqual({ thumbnail: { failed: 1 } });
    expect(clock.now() - since).toBeLessThanOrEqual(HOUR_MS);
    expect(clock.now() - since).toBeGreaterThan(HOUR_MS - 6 * 60_000);
    clock.advance(2 * HOUR_MS);
    expect((await noted()).modules).toEqual({});
    close();
    await note();
    expect(Object.keys((await noted()).modules)).toEqual(["thumbnail"]);
  });

  it.each([
    { error: new UnavailableError("The table is away."), what: "the table is away" },
    { error: new ConflictError("Another one was first."), what: "another replica is always first" },
  ])("wait if $what, and lose nothing", async ({ error }) => {
    const { clock, instanceTable, noted } = world();
    let isAway = true;
    const ends = makeRecentEnds({
      clock,
      instanceTable: {
        ...instanceTable,
        saveEnds: (...saved) => (isAway ? Promise.reject(error) : instanceTable.saveEnds(...saved)),
      },
    });
    ends.read({ event: "closed", run: closing(aRun(), { closedAt: T0 }) });
    await ends.note();
    ends.read({ event: "closed", run: closing(aRun(), { closedAt: T0 }) });
    isAway = false;
    await ends.note();
    expect((await noted()).modules).toEqual({ thumbnail: { succeeded: 2 } });
  });

  it("say how long what was done or failed took, its Job and all in all, over all processes", async () => {
    const { clock, counter, took } = world();
    const [first, second] = [counter(), counter()];
    clock.advance(600_000);
    const now = clock.now();
    first.close({ dispatchedAt: now - 10_000, enqueuedAt: now - 100_000 });
    first.close({ status: "failed", dispatchedAt: now - 10_000, enqueuedAt: now - 100_000 });
    await first.note();
    // Of a redrive counts the time since it was ordered, and not how long its letter lay.
    second.close({ dispatchedAt: now - 10_000, enqueuedAt: now - 90_000_000, acceptedAt: now - 100_000, redrive: 1 });
    second.close({ status: "cancelled", dispatchedAt: now - 500_000 });
    second.close({ status: "rejected" });
    second.close({ module: "other", enqueuedAt: now - 1_000 });
    await second.note();
    const of = (count: number, ms: number) => ({ count, medianMs: near(ms), p95Ms: near(ms) });
    expect(await took()).toEqual({ job: of(3, 10_000), whole: of(3, 100_000) });
    expect(await took("other")).toEqual({ whole: of(1, 1_000) });
    clock.advance(2 * HOUR_MS);
    expect(await took()).toEqual({});
  });

  it("keep how long it took if the table was away, and time no more modules than the row can hold", async () => {
    const { clock, instanceTable, took } = world();
    let isAway = true;
    const ends = makeRecentEnds({
      clock,
      instanceTable: {
        ...instanceTable,
        saveEnds: (...saved) =>
          isAway ? Promise.reject(new UnavailableError("The table is away.")) : instanceTable.saveEnds(...saved),
      },
    });
    const close = (module: string) =>
      ends.read({ event: "closed", run: closing(aRun({ module, enqueuedAt: T0 - 5_000 }), { closedAt: T0 }) });
    for (let n = 0; n < 2_000; n += 1) close(`module-${n}`);
    await ends.note();
    close("module-0");
    isAway = false;
    await ends.note();
    expect((await took("module-0")).whole?.count).toBe(2);
    expect(await took("module-1999")).toEqual({});
    const noted = (await instanceTable.ends())?.ends;
    expect(recentEnds(noted, clock.now()).modules["module-1999"]).toEqual({ succeeded: 1 });
    expect(JSON.stringify(noted?.took).length).toBeLessThan(20_000);
  });

  it("cost no request while nothing is closed, and one write for whatever was", async () => {
    const { clock, instanceTable } = world();
    const calls: string[] = [];
    const ends = makeRecentEnds({
      clock,
      instanceTable: {
        ...instanceTable,
        ends: () => (calls.push("read"), instanceTable.ends()),
        saveEnds: (...saved) => (calls.push("write"), instanceTable.saveEnds(...saved)),
      },
    });
    const close = () => ends.read({ event: "closed", run: closing(aRun(), { closedAt: T0 }) });
    await ends.note();
    expect(calls).toEqual([]);
    close();
    close();
    await ends.note();
    expect(calls).toEqual(["read", "write"]);
    close();
    await ends.note();
    expect(calls).toEqual(["read", "write", "write"]);
  });
});

/** A number that steps of √2 may give for this one. */
function near(ms: number): unknown {
  return expect.toSatisfy((value: number) => Math.abs(value / ms - 1) < 0.2);
}
