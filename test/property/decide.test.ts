import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import {
  awaitStart,
  busy,
  concluded,
  dispatched,
  doubted,
  heldUp,
  limited,
  nextAttempt,
  undoubted,
} from "../../shared/run/change-run.ts";
import { type Decision, decide, type JobSeen, type Seen } from "../../shared/run/decide.ts";
import {
  type AttemptEnd,
  CLUSTER_HOLDS,
  type Hold,
  OPEN_STATUSES,
  type Run,
  TEMPLATE_FAULTS,
  type Verdict,
} from "../../shared/run/run.ts";
import { aRun, T0 } from "../support/a-run.ts";
import { PROPERTY_TIMEOUT_MS, propertyOptions } from "../support/property-options.ts";

const LOCK_MS = 120_000;

const anyAttemptEnd: fc.Arbitrary<AttemptEnd> = fc.record(
  {
    reason: fc.constantFrom("JobFailed", "JobTimedOut", "JobNotStarted"),
    kind: fc.constantFrom("failure", "interruption", "cancel", "module", "unstarted"),
    permanent: fc.boolean(),
    detail: fc.string(),
  },
  { noNullPrototype: true },
);

const anyVerdict: fc.Arbitrary<Verdict> = fc.constantFrom<Verdict>(
  { outcome: "succeeded" },
  { outcome: "failed", reason: "JobFailed", description: "exit code 1" },
  { outcome: "rejected", reason: "DispatchRejected" },
);

const anyHold: fc.Arbitrary<Hold> = fc.record(
  { cause: fc.constantFrom(...TEMPLATE_FAULTS, ...CLUSTER_HOLDS), since: fc.constant(T0), detail: fc.string() },
  { noNullPrototype: true },
);
const anyLimit = fc.integer({ min: T0 - 60_000, max: T0 + 60_000 });

const anyJob: fc.Arbitrary<JobSeen> = fc.oneof(
  fc.boolean().map((confirmed) => ({ phase: "absent", confirmed }) as const),
  fc
    .tuple(fc.boolean(), fc.option(anyAttemptEnd), fc.option(fc.oneof(fc.constant("nothing" as const), anyHold)))
    .map(([suspect, stuck, held]) => {
      return { phase: "pending", suspect, ...(stuck ? { stuck } : {}), ...(held ? { held } : {}) } as const;
    }),
  fc
    .tuple(fc.constantFrom("running", "terminating"), fc.option(anyLimit))
    .map(([phase, limitAt]) => ({ phase, ...(limitAt === null ? {} : { limitAt }) }) as const),
  fc
    .tuple(fc.option(anyAttemptEnd), fc.option(fc.boolean()))
    .map(
      ([stuck, hasPod]) =>
        ({ phase: "suspended", ...(stuck ? { stuck } : {}), ...(hasPod === null ? {} : { hasPod }) }) as const,
    ),
  fc.option(anyAttemptEnd).map((end) => ({ phase: "failed", ...(end ? { end } : {}) }) as const),
  fc.constantFrom<JobSeen>({ phase: "succeeded" }, { phase: "foreign" }),
);

/** Any run that a row can contain, shortly before or after its `notBefore`, with any phase of its Job and message. */
const anySeen: fc.Arbitrary<Seen> = fc
  .record({
    status: fc.constantFrom(...OPEN_STATUSES),
    failures: fc.nat({ max: 4 }),
    interruptions: fc.nat({ max: 4 }),
    busyCount: fc.nat({ max: 40 }),
    end: fc.option(anyAttemptEnd),
    verdict: anyVerdict,
    absentSince: fc.option(fc.integer({ min: T0 - 600_000, max: T0 })),
    hold: fc.option(anyHold),
    jobOverdueAt: anyLimit,
    notBefore: fc.integer({ min: T0 - 60_000, max: T0 + 60_000 }),
    job: anyJob,
    cancelled: fc.boolean(),
    message: fc.constantFrom<Seen["message"]>(undefined, "deferred", "foreign", "active", "absent", "gone"),
    slot: fc.constantFrom<Seen["slot"]>(undefined, { start: true }, { start: false, cause: "max-active" }),
    maxAttempts: fc.integer({ min: 1, max: 6 }),
    maxInterruptions: fc.nat({ max: 6 }),
  })
  .map(({ job, cancelled, message, slot, maxAttempts, maxInterruptions, failures, interruptions, ...run }) => ({
    // A run that has used up a budget is closed, so an open one is within both.
    run: runOf({
      ...run,
      failures: Math.min(failures, maxAttempts - 1),
      interruptions: Math.min(interruptions, maxInterruptions),
    }),
    job,
    cancelled,
    ...(message === undefined ? {} : { message }),
    ...(slot === undefined ? {} : { slot }),
    lockDurationMs: LOCK_MS,
    retry: { maxAttempts, maxInterruptions, backoff: { firstMs: 10_000, maxMs: 600_000 }, permanentExitCodes: [] },
    now: T0,
  }));

type RunDraft = Pick<Run, "status" | "failures" | "interruptions" | "busyCount" | "notBefore"> & {
  readonly end: AttemptEnd | null;
  readonly verdict: Verdict;
  readonly absentSince: number | null;
  readonly hold: Hold | null;
  readonly jobOverdueAt: number;
};

function runOf({ end, verdict, absentSince, hold, jobOverdueAt, ...rest }: RunDraft): Run {
  const hasJob = rest.status === "dispatched" || rest.status === "requeueing";
  return aRun({
    ...rest,
    attempt: 1 + rest.failures + rest.interruptions + (rest.status === "requeueing" ? 1 : 0),
    ...(hasJob ? { jobName: "job", jobUid: "uid" } : {}),
    ...(end && rest.status === "dispatched" ? { endOrdered: end } : {}),
    ...(rest.status === "settling" ? { verdict } : {}),
    ...(absentSince === null ? {} : { absentSince }),
    ...(rest.status === "dispatched" ? { jobOverdueAt } : {}),
    ...(hold && rest.status === "dispatched" ? { heldUpBy: hold.cause, heldUpSince: hold.since } : {}),
  });
}

/** What is seen after a decision that only records something. Undefined after one that acts, looks or leaves. */
function recorded(seen: Seen, decision: Decision): Seen | undefined {
  const { run, now } = seen;
  if (decision.do === "await start") return { ...seen, run: awaitStart(run, now) };
  if (decision.do === "adopt") return { ...seen, run: dispatched(run, { name: "job", uid: "uid" }, now, 60_000) };
  // The Job belonged to the last attempt, so the next look at the run finds none.
  if (decision.do === "retry")
    return { ...seen, run: nextAttempt(run, decision), job: { phase: "absent", confirmed: false } };
  if (decision.do === "conclude") return { ...seen, run: concluded(run, decision.verdict, decision, now) };
  if (decision.do === "wait while busy") return { ...seen, run: busy(run, now) };
  if (decision.do === "note hold") return { ...seen, run: heldUp(run, decision.hold) };
  if (decision.do === "note limit") return { ...seen, run: limited(run, decision.limitAt) };
  if (decision.do === "trust") return { ...seen, run: undoubted(run) };
  if (decision.do === "doubt") return { ...seen, run: doubted(run, now, LOCK_MS) };
  return undefined;
}

interface Claim {
  readonly claim: string;
  readonly holds: (seen: Seen, decision: Decision) => boolean;
}

const CLAIMS: readonly Claim[] = [
  {
    claim: "decides the same if it is asked again, and does not change its arguments",
    holds(seen, decision) {
      const before = fc.stringify(seen);
      return fc.stringify(decide(structuredClone(seen))) === fc.stringify(decision) && fc.stringify(seen) === before;
    },
  },
  {
    claim: "does not decide the same again once its decision is recorded",
    holds(seen, decision) {
      const next = recorded(seen, decision);
      return next === undefined || decide(next).do !== decision.do;
    },
  },
  {
    claim: "tries again only within both budgets, and charges exactly one of them, or none if the work is not to blame",
    holds({ run, retry }, decision) {
      if (decision.do !== "retry") return true;
      const charged = decision.failures + decision.interruptions - run.failures - run.interruptions;
      if (decision.end.kind === "module" || decision.end.kind === "unstarted") return charged === 0;
      const isWithin = decision.failures < retry.maxAttempts && decision.interruptions <= retry.maxInterruptions;
      return charged === 1 && isWithin;
    },
  },
  {
    claim: "waits before the next attempt, and never longer than the module's back-off says",
    holds({ retry, now }, decision) {
      if (decision.do !== "retry") return true;
      const waitMs = decision.notBefore - now;
      return waitMs >= retry.backoff.firstMs / 2 && waitMs <= retry.backoff.maxMs;
    },
  },
  {
    claim: "starts a Job only for a deferred message without one, with a slot, once its time has come",
    holds({ run, job, message, slot, cancelled, now }, decision) {
      if (decision.do !== "start") return true;
      const isFree = run.status === "waiting" && job.phase === "absent" && message === "deferred";
      return isFree && slot?.start === true && !cancelled && now >= run.notBefore;
    },
  },
  {
    claim: "settles only by a verdict that is recorded already",
    holds: ({ run }, decision) => decision.do !== "settle" || (run.status === "settling" && run.verdict !== undefined),
  },
  {
    claim: "changes no verdict that is recorded",
    holds({ run }, decision) {
      if (run.status !== "settling") return true;
      return decision.do !== "conclude" && (decision.do !== "close" || decision.verdict === run.verdict);
    },
  },
  {
    claim: "closes a run without settling only if its message is gone",
    holds: ({ message }, decision) => decision.do !== "close" || message === "gone",
  },
  {
    claim: "starts no other attempt while the Job of this one is at work",
    holds({ run, job }, decision) {
      const mayHavePod = job.phase === "suspended" && job.hasPod !== false;
      const isAtWork =
        run.status === "dispatched" && (mayHavePod || ["pending", "running", "terminating"].includes(job.phase));
      return !isAtWork || !["retry", "conclude", "start"].includes(decision.do);
    },
  },
  {
    claim: "ends a Job only if a person wants it, the row orders it, or a look found it stuck",
    holds({ run, job, cancelled }, decision) {
      if (decision.do !== "end") return true;
      return cancelled || run.endOrdered !== undefined || ("stuck" in job && job.stuck !== undefined);
    },
  },
  {
    claim: "calls a Job overdue only if a look says so, and never one that has not started or is suspended",
    holds({ job, now }, decision) {
      if (decision.do !== "leave" || decision.cause !== "job-overdue") return true;
      return (job.phase === "running" || job.phase === "terminating") && (job.limitAt ?? now) < now;
    },
  },
  {
    claim: "takes exit 0 for success, even if the Dispatcher or a person was ending the Job",
    holds({ run, job }, decision) {
      if (run.status !== "dispatched" || job.phase !== "succeeded") return true;
      return decision.do === "conclude" && decision.verdict.outcome === "succeeded";
    },
  },
];

vi.setConfig({ testTimeout: PROPERTY_TIMEOUT_MS });

describe("whatever is seen of a run, decide", () => {
  it.each(CLAIMS)("$claim", ({ holds }) => {
    const property = fc.property(anySeen, (seen) => holds(seen, decide(seen)));
    expect(() => fc.assert(property, propertyOptions(500))).not.toThrow();
  });
});
