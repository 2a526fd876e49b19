import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import type { Holdings } from "../../local/demo/bus.ts";
import type { Progress, SentSample } from "../../local/demo/follow-runs.ts";
import { attemptsOf } from "../../local/demo/follow-runs.ts";
import { judge } from "../../local/demo/judge.ts";
import { problemsOf, summaryOf, textReport } from "../../local/demo/report.ts";
import { SAMPLES, type Sample } from "../../local/demo/samples.ts";
import type { ClosedRun } from "../../shared/run/run.ts";
import { aRun, T0 } from "../support/a-run.ts";

const EMPTY: Holdings = { deadLetters: new Map(), remaining: new Set(), surprises: [] };
const JOBS = ["greet-x-1-1"];

function sampleOf(title: string): Sample {
  const found = SAMPLES.find((one) => one.title === title);
  if (!found) throw new Error(`no sample ${title}`);
  return found;
}
const completes = sampleOf("succeeds");
const rejected = sampleOf("breaks its schema");

function sent(sample: Sample): SentSample {
  return { sample, messageId: "m", key: { source: sample.source, sequenceNumber: 1, enqueuedAt: T0 } };
}

function closed(sample: Sample, over: Partial<ClosedRun>): Progress {
  const { status: _, ...run } = aRun({ source: sample.source, module: "greet", jobName: "greet-x-1-1" });
  return { sent: sent(sample), run: { ...run, status: "succeeded", closedAt: T0 + 1_500, ...over } };
}

/** The same run, as it is without ever having had a Job. */
function withoutJob({ sent, run }: Progress): Progress {
  if (!run) return { sent };
  const { jobName: _, ...rest } = run;
  return { sent, run: rest };
}

function letter(sample: Sample, reason: string): Holdings {
  return { ...EMPTY, deadLetters: new Map([[sample, { reason, description: "because" }]]) };
}

describe("a sample", () => {
  test("that went as it says has no problems", () => {
    expect(judge(closed(completes, {}), JOBS, EMPTY)).toMatchObject({
      outcome: "completed",
      reason: null,
      attempts: 1,
      seconds: 1.5,
      problems: [],
    });
    const progress = withoutJob(closed(rejected, { status: "rejected" }));
    expect(judge(progress, [], letter(rejected, "DispatchRejected"))).toMatchObject({ attempts: 0, problems: [] });
  });

  test.each<{
    name: string;
    progress: Progress;
    jobs?: string[];
    holdings?: Holdings;
    outcome: string;
    problem: RegExp;
  }>([
    {
      name: "that is nowhere, though its row is open, is lost",
      progress: { sent: sent(completes), run: aRun({ jobName: "greet-x-1-1" }) },
      outcome: "lost",
      problem: /outcome is lost, but completed was expected/,
    },
    {
      name: "that the Dispatcher did not accept and that is still there is open",
      progress: { sent: sent(completes) },
      holdings: { ...EMPTY, remaining: new Set([completes]) },
      outcome: "open",
      problem: /outcome is open/,
    },
    {
      name: "whose row says completed while it is still there is not completed",
      progress: closed(completes, {}),
      holdings: { ...EMPTY, remaining: new Set([completes]) },
      outcome: "open",
      problem: /its row says succeeded, but on the bus it is open/,
    },
    {
      name: "that was dead-lettered with another reason is wrong",
      progress: withoutJob(closed(rejected, { status: "rejected" })),
      jobs: [],
      holdings: letter(rejected, "MaxDeliveryCountExceeded"),
      outcome: "dead-lettered",
      problem: /reason is MaxDeliveryCountExceeded, but DispatchRejected was expected/,
    },
    {
      name: "whose Job the cluster does not have is wrong",
      progress: closed(completes, {}),
      jobs: [],
      outcome: "completed",
      problem: /jobs is 0, but 1 was expected/,
    },
    {
      name: "that is dead-lettered and still in its entity is wrong",
      progress: withoutJob(closed(rejected, { status: "rejected" })),
      jobs: [],
      holdings: { ...letter(rejected, "DispatchRejected"), remaining: new Set([rejected]) },
      outcome: "dead-lettered",
      problem: /both dead-lettered and still in its entity/,
    },
  ])("$name", ({ progress, jobs = JOBS, holdings = EMPTY, outcome, problem }) => {
    const result = judge(progress, jobs, holdings);
    expect(result.outcome).toBe(outcome);
    expect(problemsOf([result], []).join("\n")).toMatch(problem);
  });
});

test("messages on the bus that the demo did not send are a problem of the whole", () => {
  expect(problemsOf([judge(closed(completes, {}), JOBS, EMPTY)], ["one too many"])).toEqual([
    "NOT AS EXPECTED: one too many",
  ]);
});

test("the summary counts what is still open neither as completed nor as lost", () => {
  const open = judge({ sent: sent(completes) }, [], { ...EMPTY, remaining: new Set([completes]) });
  const lost = judge({ sent: sent(completes) }, [], EMPTY);
  const done = judge(closed(completes, {}), JOBS, EMPTY);
  expect(summaryOf([open, lost, done])).toEqual({ sent: 3, completed: 1, deadLettered: 0, lost: 1 });
});

test("an attempt counts from when its Job is there", () => {
  expect(attemptsOf(aRun({ status: "dispatched", attempt: 2, jobName: "j-2" }))).toBe(2);
  expect(attemptsOf(aRun({ status: "requeueing", attempt: 2, jobName: "j-1" }))).toBe(1);
  expect(attemptsOf(aRun({ status: "waiting", attempt: 2 }))).toBe(1);
  expect(attemptsOf(undefined)).toBe(0);
});

describe("on a terminal of 80 columns", () => {
  /** A terminal that keeps what is written to it, in the width that a person sees. */
  function terminal() {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
    const lines = () => stripVTControlCharacters(String(stream.read() ?? "")).split("\n");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The report uses no more of a terminal.
    return { stream: stream as unknown as NodeJS.WriteStream, lines };
  }
  const long = {
    ...closed(rejected, { status: "failed", verdict: { outcome: "failed", reason: "JobTimedOut" } }),
    sent: { ...sent({ ...rejected, title: "shares its id with another, which is a long title (Grace)" }) },
  };

  test("no line is wider, so that none wraps and the table is redrawn in its place", () => {
    const { stream, lines } = terminal();
    const report = textReport(stream);
    report.say(`${"word ".repeat(30)}\n`);
    report.progress([closed(completes, {}), long, { ...long, run: aRun({ jobName: `j-${"x".repeat(60)}` }) }]);
    expect(Math.max(...lines().map((line) => line.length))).toBeLessThanOrEqual(80);
    const result = {
      ...judge(long, JOBS, letter(long.sent.sample, "JobTimedOut")),
      description: "word ".repeat(60),
      problems: [],
    };
    report.results([result], []);
    const shown = lines();
    expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(shown.join("\n")).toMatch(/shares its id .*… +\S+:1 +dead-lettered +1 Job +1\.5 s/);
  });
});
