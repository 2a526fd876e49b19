import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeLog } from "../../../shared/log.ts";
import { closed } from "../../../shared/run/change-run.ts";
import { newRun } from "../../../shared/run/new-run.ts";
import type { DomainEvent } from "../../../shared/telemetry/domain-event.ts";
import { countEvents } from "../../../shared/telemetry/event-counts.ts";
import { makeEvents } from "../../../shared/telemetry/events.ts";
import { aRun, T0 } from "../../support/a-run.ts";
import { makeWorld, withRun } from "../../support/world.ts";

/** Tells these events. Returns the lines and the counts that they become. */
function told(...events: readonly DomainEvent[]) {
  const lines: string[] = [];
  const sink = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
  const counts = countEvents();
  const to = makeEvents(makeLog({ info: sink("info"), warn: sink("warn"), error: sink("error") }), [counts.read]);
  for (const event of events) to.about({ runId: "r" }).tell(event);
  return { lines, counts: counts.fields(), settled: counts.ofDelivery() };
}

const over = (outcome: "succeeded" | "failed" | "rejected" | "lost") => closed(aRun(), { outcome }, T0);

describe("an event", () => {
  it("becomes a line with the facts of its run", () => {
    const { lines } = told({ event: "dispatched", run: aRun({ jobName: "job-1", attempt: 2 }), by: "reconcile" });
    expect(lines).toEqual(['info {"message":"started a job","runId":"r","jobName":"job-1","attempt":2}']);
  });

  it("that comes for thousands of runs in each tick is counted, and has no line", () => {
    const { lines, counts } = told(
      { event: "left", cause: "back-off" },
      { event: "left", cause: "back-off" },
      { event: "left", cause: "quota" },
      { event: "left", cause: "job-overdue" },
      { event: "left", cause: "no-node" },
      { event: "postponed", run: aRun() },
    );
    expect(lines).toEqual([]);
    expect(counts).toMatchObject({ waiting: { "back-off": 2, quota: 1, "no-node": 1 }, working: 1 });
    expect(counts).toMatchObject({ overdue: 1, notStarted: 1, postponed: 1 });
  });

  it("counts a message as settled once its run is closed, however it ended", () => {
    const { counts, settled } = told(
      { event: "rejected", run: newRun({ ...START, problem: "no module" }) },
      { event: "concluded", run: aRun() },
      { event: "closed", run: over("succeeded") },
      { event: "closed", run: over("failed") },
      { event: "closed", run: over("rejected") },
      { event: "closed", run: over("lost") },
    );
    expect(counts).toMatchObject({ completed: 1, deadLettered: 2, settled: 3, lost: 1 });
    expect(settled).toEqual({ completed: 1, deadLettered: 2 });
  });

  it("of a failure is a warning if the failure passes by itself, and an error with its stack otherwise", () => {
    const [passing, bug] = [new UnavailableError("throttled"), new TypeError("x is undefined")].map(
      (error) => told({ event: "failed", what: "left a run to the next tick", error }).lines[0],
    );
    expect(passing).toBe('warn {"message":"left a run to the next tick","runId":"r","why":"throttled"}');
    expect(bug).toMatch(/^error .*"why":"x is undefined","stack":"TypeError: x is undefined/);
  });
});

const START = {
  key: aRun(),
  message: { properties: {} },
  module: "",
  bodyInBlob: false,
  now: T0,
};

describe("a tick's line", () => {
  it("counts a Job at work as working, and not as waiting", async () => {
    const world = await withRun();
    await world.tick();
    expect(world.lastTick()).toMatchObject({ open: 1, working: 1, waiting: {} });
  });
});

describe("a delivery's line", () => {
  it("counts a message that it dead-lettered, so that a thousand malformed messages can't go unseen", async () => {
    const world = makeWorld([]);
    await world.send();
    const [line] = world.lines.filter(({ message }) => message === "handled a delivery");
    expect(line).toMatchObject({ outcome: "rejected", deadLettered: 1 });
  });

  it("is the only one of a message whose Job it starts, and names the run and the Job", async () => {
    const world = makeWorld();
    await world.send();
    const [job] = world.cluster.names();
    expect(world.lines).toMatchObject([
      {
        level: "info",
        message: "handled a delivery",
        outcome: "dispatched",
        messageId: "m-1",
        jobName: job,
        attempt: 1,
      },
    ]);
  });

  it("says that it left a message that it can't use, and why", async () => {
    const world = makeWorld();
    expect(await world.accept({ sequenceNumber: 2 ** 60, lockToken: "t" })).toBe("left");
    expect(world.lines).toMatchObject([
      { level: "error", message: "left a message untouched", why: expect.stringContaining("partitioned") },
      { message: "handled a delivery", outcome: "left" },
    ]);
  });
});
