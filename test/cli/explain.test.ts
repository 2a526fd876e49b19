import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sentencesOf } from "../../cli/runs/explain.ts";
import { CAUSES } from "../../cli/text/causes.ts";
import type { OpenRunExplained } from "../../shared/operate/views/explain.ts";
import { aRun } from "../support/a-run.ts";

const run = aRun({ sequenceNumber: 7, enqueuedAt: 1_000, module: "m", status: "waiting" });
const open = (over: Partial<OpenRunExplained>) => ({
  kind: "open" as const,
  run,
  actions: [],
  place: "line" as const,
  at: 10_000,
  facts: { jobName: "m-x-7-1", job: { phase: "absent" as const, confirmed: false }, cancelled: false },
  rule: "start",
  decision: { do: "start" as const },
  ...over,
});

describe("a run that is explained", () => {
  test("waits for its turn", () => {
    const said = sentencesOf(
      open({
        decision: { do: "leave", cause: "max-active" },
        facts: { ...open({}).facts, message: "deferred", slot: { start: false, cause: "max-active" } },
        waitsFor: {
          cause: "max-active",
          ahead: { count: 1_000, isMore: true },
          estimate: { ms: 7_200_000, isMore: true, closed: 12, since: 0 },
        },
      }),
    );
    expect(said).toEqual([
      expect.stringMatching(/:7:1000 is waiting, before attempt 1 of module m\.$/),
      "It waits because its module has no free slot (max-active).",
      "Ahead of it in its module's line: 1000 or more.",
      "Its turn comes in 2h or more, if its module goes on as it did since 1970-01-01T00:00:00Z: 12 runs closed.",
      "What was seen: Job m-x-7-1 is absent, its message is deferred, its module has no free slot. A tick that sees this leaves it as it is (rule start).",
    ]);
  });

  test("is at work, and says how long Jobs like its own took lately", () => {
    const said = sentencesOf(
      open({
        run: { ...run, status: "dispatched", dispatchedAt: 10_000 },
        at: 250_000,
        decision: { do: "leave", cause: "job-at-work" },
        waitsFor: { cause: "job-at-work" },
        usually: { count: 12, medianMs: 40_000, p95Ms: 190_000 },
      }),
    );
    expect(said[2]).toBe(
      "Its Job was created 4m ago. In the last hour 12 Jobs of its module ended: half of them within 40s, 95 of 100 within 3m10s.",
    );
  });

  test("gives a range if the module's ends say too little of its pace", () => {
    const estimate = { ms: 7_200_000, leastMs: 60_000, isMore: false, closed: 12, since: 0 };
    const ahead = { count: 7, isMore: false };
    const said = sentencesOf(
      open({ decision: { do: "leave", cause: "max-active" }, waitsFor: { cause: "max-active", ahead, estimate } }),
    );
    expect(said.join("\n")).toContain("Its turn comes in about 1m to 2h, if its module goes on");
  });

  test("says of an estimate from few ends that it may be wrong by two", () => {
    const ahead = { count: 7, isMore: false };
    const after = (closed: number) => {
      const estimate = { ms: 287_000, isMore: false, closed, since: 0 };
      const waitsFor = { cause: "max-active" as const, ahead, estimate };
      return sentencesOf(open({ decision: { do: "leave", cause: "max-active" }, waitsFor })).join("\n");
    };
    expect(after(9)).toContain("9 runs closed, too few to be sure: it may take half or twice as long.");
    expect(after(10)).toContain("10 runs closed.");
  });

  test("says how it knows when a run near the front of its line comes to its turn", () => {
    const after = (ms: number, leastMs?: number) => {
      const estimate = {
        ms,
        ...(leastMs === undefined ? {} : { leastMs }),
        isMore: false,
        closed: 12,
        since: 0,
        jobs: 20,
      };
      const waitsFor = { cause: "max-active" as const, ahead: { count: 3, isMore: false }, estimate };
      return sentencesOf(open({ decision: { do: "leave", cause: "max-active" }, waitsFor }))[3];
    };
    expect(after(70_000, 20_000)).toBe(
      "Its turn comes in about 20s to 1m10s, by the ages of the 20 Jobs at work, if they take as long as those did that ended since 1970-01-01T00:00:00Z: 12 runs closed.",
    );
    expect(after(20_400, 20_000)).toContain("comes in about 20s, by the ages");
    expect(after(70_000, 0)).toContain("comes within 1m10s, by the ages");
    expect(after(300)).toContain("comes within a second, by the ages");
  });

  test("has no estimate before a run of its module has ended, and says so", () => {
    const said = sentencesOf(
      open({
        decision: { do: "leave", cause: "max-active" },
        waitsFor: {
          cause: "max-active",
          ahead: { count: 2, isMore: false },
          estimate: { isMore: false, closed: 0, since: 0 },
        },
      }),
    );
    expect(said).toContain(
      "When its turn comes can't be said yet, because no Job of its module has ended in the last hour.",
    );
  });

  test("waits until a time, and says what is away", () => {
    const said = sentencesOf(
      open({ waitsFor: { cause: "back-off", until: 70_000 }, unavailable: "the API server is away" }),
    );
    expect(said[1]).toBe(
      "It waits because an attempt ended, and the next one has to wait (back-off), until 1970-01-01T00:01:10Z (in 1m).",
    );
    expect(said.at(-1)).toBe("Not all could be seen: the API server is away");
  });

  test("runs, and does not wait", () => {
    const said = sentencesOf(
      open({ decision: { do: "leave", cause: "job-at-work" }, waitsFor: { cause: "job-at-work" } }),
    );
    expect(said[1]).toBe("Its Job is at work. It waits for nothing else.");
  });

  test("goes on by itself", () => {
    expect(sentencesOf(open({}))[1]).toBe("Nothing keeps it: the next tick goes on with it (start).");
  });
});

test("docs/operate.md says more of each cause that a person has to look after", () => {
  const page = readFileSync("docs/operate.md", "utf8");
  const atWork = ["job-at-work", "job-terminating", "job-overdue"];
  const missing = Object.keys(CAUSES).filter((cause) => !page.includes(`\`${cause}\``) && !atWork.includes(cause));
  expect(missing).toEqual([]);
});
