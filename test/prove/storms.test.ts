import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { Records } from "../../prove/audit/audit.ts";
import { FOREIGN_MESSAGES } from "../../prove/stage/sender.ts";
import { STORMS } from "../../prove/storms/all-storms.ts";
import { probesWithin } from "../../prove/storms/broken-image.ts";
import { clockAhead } from "../../prove/storms/clock-ahead.ts";
import { noneDeadLettered, spared } from "../../prove/storms/delivery-counts.ts";
import { readStormFlags, STORM_PROOF } from "../../prove/storms/flags.ts";
import { LogBook } from "../../prove/storms/log-book.ts";
import { stormText, summariseStorm } from "../../prove/storms/report.ts";
import type { StormResult } from "../../prove/storms/run-storm.ts";

const delivered = (deliveryCount: number) =>
  ({ runId: "proof:1:1", messageId: "m", state: "active", deliveryCount, stamps: {} }) as const;

const NO_RECORDS: Records = {
  sent: [],
  bus: [],
  deadLetters: [],
  foreign: FOREIGN_MESSAGES,
  open: [],
  marks: [],
  notes: [],
  closed: [],
  jobs: [],
  bodies: [],
  ledger: [],
};

/** Makes the result of a storm that holds; `change` says what does not hold. */
function result(change: Partial<StormResult> = {}): StormResult {
  const checks = [{ claim: "it rained", holds: true, found: "2 mm" }];
  return { records: NO_RECORDS, findings: [], checks, deaths: [], seconds: 1.4, ...change };
}

const summary = (change: Partial<StormResult> = {}) =>
  summariseStorm("crowd", { seed: 7, messages: 20, outageMs: 0 }, result(change));

describe("the flags of the storms", () => {
  STORM_PROOF.exitOverride().configureOutput({ writeErr: () => {} });
  const read = (...args: string[]) => readStormFlags(["--storms", ...args], () => 5);

  it("ask for every storm, each in its own size, unless told otherwise", () => {
    expect(read()).toMatchObject({ names: Object.keys(STORMS), messages: undefined, outageMs: undefined, seed: 5 });
  });

  it("ask only for the storms that are named", () => {
    expect(read("crowd", "two-clocks", "--messages", "500", "--outage", "20")).toMatchObject({
      names: ["crowd", "two-clocks"],
      messages: 500,
      outageMs: 20_000,
    });
  });

  it.each([
    { args: ["drizzle"], want: /'drizzle' is invalid .* Allowed choices are crowd,/ },
    { args: ["--messages", "many"], want: /'--messages <n>' argument 'many' is invalid\. Give a whole number/ },
    { args: ["--outage", "0"], want: /'--outage <seconds>' argument '0' is invalid\. Give a whole number/ },
    { args: ["--kills", "3"], want: /--kills/ },
  ])("are refused if they are wrong: $args", ({ args, want }) => {
    expect(() => read(...args)).toThrow(want);
  });
});

describe("spared deliveries", () => {
  it("are one for each lock that lapsed, and a few around the outage", () => {
    expect(spared([delivered(1), delivered(7)], 20_000, 5_000).holds).toBe(true);
    expect(spared([delivered(1), delivered(8)], 20_000, 5_000).holds).toBe(false);
  });

  it("are not believed if no message was there to see", () => {
    expect(spared([], 20_000, 5_000).holds).toBe(false);
  });

  it("don't hide a dead letter", () => {
    expect(noneDeadLettered([], "at all").holds).toBe(true);
    expect(noneDeadLettered([delivered(1)], "at all").holds).toBe(false);
  });
});

describe("the probes of a tripped module", () => {
  it.each([
    { minutes: 0.9, want: 0 },
    { minutes: 1, want: 1 },
    { minutes: 3, want: 2 },
    { minutes: 7, want: 3 },
    { minutes: 15, want: 4 },
    { minutes: 25, want: 5 },
    { minutes: 35, want: 6 },
  ])("are $want within $minutes minutes", ({ minutes, want }) => {
    expect(probesWithin(minutes * 60_000)).toBe(want);
  });
});

describe("the price of a broken image", () => {
  const run = (runId: string, messageId: string) =>
    ({ runId, messageId, status: "succeeded", attempt: 2, failures: 1, interruptions: 0 }) as const;
  const records = { ...NO_RECORDS, closed: [run("proof:1:1", "success-1"), run("proof:2:1", "topic-2")] };
  const paid = (about: string) => ({ kind: "wrong", about, what: "1 failures counted, not 0" }) as const;

  it("is allowed for the broken module's own messages, and for no other's", () => {
    const allows = STORMS["broken-image"]?.allows;
    expect(allows?.(paid("proof:1:1"), records)).toBe(true);
    expect(allows?.(paid("proof:2:1"), records)).toBe(false);
    expect(allows?.({ ...paid("proof:1:1"), kind: "lost" }, records)).toBe(false);
  });
});

describe("a clock that is ahead", () => {
  it("is ahead in each way of asking for the time, and leaves given times as they are", () => {
    const program =
      "console.log(JSON.stringify([Date.now(), new Date().getTime(), new Date(5).getTime(), new Date() instanceof Date]))";
    const before = Date.now();
    const said: unknown = JSON.parse(
      execFileSync(process.execPath, ["-e", program], { env: { ...clockAhead(3_600_000) }, encoding: "utf8" }),
    );
    expect(said).toEqual([expect.any(Number), expect.any(Number), 5, true]);
    for (const time of Array.isArray(said) ? said.slice(0, 2) : []) {
      expect(time).toBeGreaterThanOrEqual(before + 3_600_000);
      expect(time).toBeLessThan(before + 3_600_000 + 60_000);
    }
  });
});

describe("the log book", () => {
  const line = (message: string, at = "2026-11-25T16:00:30.000Z") =>
    `${at} Information reconcile ${JSON.stringify({ message, runId: "r" })}`;

  it("counts messages by how they begin, and by who wrote them", () => {
    const book = new LogBook();
    book.note("replica 1", line("tripped a module: its jobs can't start"), 0);
    book.note("replica 2", line("tripped a module: its jobs can't start"), 0);
    book.note("replica 2", line("reconciled"), 0);
    book.note("replica 2", "  at some.stack (tripped a module)", 0);
    book.note("replica 2", JSON.stringify({ message: "preflight found nothing wrong" }), 0);
    expect(book.linesWith("preflight", "replica 2")).toBe(1);
    expect(book.linesWith("tripped a module")).toBe(2);
    expect(book.linesWith("tripped a module", "replica 2")).toBe(1);
    expect(book.linesWith("a module recovered")).toBe(0);
  });

  it("tells how far the clock of a replica is ahead", () => {
    const book = new LogBook();
    expect(book.aheadMs("replica 1")).toBeNaN();
    book.note("replica 1", line("reconciled"), Date.parse("2026-11-25T15:59:30.000Z"));
    expect(book.aheadMs("replica 1")).toBe(60_000);
  });
});

describe("a storm's summary", () => {
  it("holds if the audit found nothing, all checks hold and no replica ended by itself", () => {
    expect(summary()).toMatchObject({ holds: true, lost: 0, doubled: 0, seconds: 1 });
    expect(stormText(summary())).toContain("crowd: it holds");
  });

  it("counts each copy of a message that was sent twice", () => {
    const sent = [
      { id: "m-1", kind: "success" },
      { id: "m-2", kind: "sent twice" },
    ] as const;
    expect(summary({ records: { ...NO_RECORDS, sent } }).sent).toBe(3);
  });

  it.each<{ name: string; change: Partial<StormResult>; want: string }>([
    {
      name: "a lost message",
      change: { findings: [{ kind: "lost", about: "m-1", what: "it is gone" }] },
      want: "lost: m-1: it is gone",
    },
    {
      name: "a check that doesn't hold",
      change: { checks: [{ claim: "it rained", holds: false, found: "0 mm" }] },
      want: "NO  it rained (0 mm)",
    },
    { name: "a replica that ended by itself", change: { deaths: ["ended with exit code 1"] }, want: "exit code 1" },
    { name: "no check at all", change: { checks: [] }, want: "NOT hold" },
  ])("does not hold with $name, and says so", ({ change, want }) => {
    expect(summary(change).holds).toBe(false);
    expect(stormText(summary(change))).toContain(want);
  });
});
