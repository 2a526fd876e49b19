import { describe, expect, it } from "vitest";
import { type Decision, decide, type JobSeen, type MessageSeen, type Seen } from "../../../shared/run/decide.ts";
import { type AttemptEnd, type Hold, OPEN_STATUSES } from "../../../shared/run/run.ts";
import { aRun, T0 } from "../../support/a-run.ts";

const retry = {
  maxAttempts: 3,
  backoff: { firstMs: 1_000, maxMs: 8_000 },
  permanentExitCodes: [64],
  maxInterruptions: 2,
};

const failed: AttemptEnd = {
  reason: "JobFailed",
  kind: "failure",
  permanent: false,
  detail: "exit code 1",
  exitCode: 1,
};
const evicted: AttemptEnd = { reason: "JobFailed", kind: "interruption", permanent: false, detail: "evicted" };
const badImage: AttemptEnd = { reason: "JobNotStarted", kind: "failure", permanent: false, detail: "ErrImagePull" };
const unstarted: AttemptEnd = { reason: "JobNotStarted", kind: "unstarted", permanent: false, detail: "waited" };
const FULL: Hold = { cause: "no-node", since: T0, detail: "0/3 nodes" };
const cancelled: AttemptEnd = { reason: "Cancelled", kind: "cancel", permanent: true, detail: "cancelled" };

const LOCK_MS = 120_000;

function seen(over: Case["given"]): Seen {
  const facts = {
    run: aRun(),
    job: { phase: "running" },
    cancelled: false,
    slot: { start: true },
    retry,
    lockDurationMs: LOCK_MS,
    now: T0 + 1_000,
    ...over,
  };
  const known = Object.entries(facts).filter(([, fact]) => fact !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The facts are Seen's own.
  return Object.fromEntries(known) as unknown as Seen;
}

interface Case {
  readonly name: string;
  readonly given: { [Fact in keyof Seen]?: Seen[Fact] | undefined };
  readonly want: Partial<Decision> | Record<string, unknown>;
}

const absent: JobSeen = { phase: "absent", confirmed: false };

const held = aRun({ status: "held", module: "" });

const CASES: Case[] = [
  // held
  {
    name: "leaves a fresh held row to its trigger",
    given: { run: { ...held, notBefore: T0 + 9_000 }, job: absent },
    want: { do: "leave", cause: "trigger-at-work" },
  },
  {
    name: "looks for the message of a held run before it is judged",
    given: { run: held, job: absent },
    want: { do: "look", at: "message" },
  },
  {
    name: "judges a held message that is deferred",
    given: { run: held, job: absent, message: "deferred" },
    want: { do: "judge" },
  },
  {
    name: "leaves a held message that is active to its redelivery",
    given: { run: held, job: absent, message: "active" },
    want: { do: "leave", cause: "redelivery" },
  },
  {
    name: "leaves a held message that another instance has deferred",
    given: { run: held, job: absent, message: "foreign" },
    want: { do: "leave", cause: "another-instance" },
  },
  {
    name: "only doubts a held message that one peek missed",
    given: { run: held, job: absent, message: "absent" },
    want: { do: "doubt" },
  },
  {
    name: "closes a held run whose message is gone",
    given: { run: held, job: absent, message: "gone" },
    want: { do: "close", verdict: { outcome: "lost" } },
  },
  {
    name: "trusts a held message that is seen after a doubt",
    given: { run: { ...held, absentSince: T0 }, job: absent, message: "deferred" },
    want: { do: "trust" },
  },
  // accepted
  {
    name: "leaves a fresh row to its trigger",
    given: { run: aRun({ status: "accepted", notBefore: T0 + 9_000 }) },
    want: { do: "leave" },
  },
  {
    name: "looks for the message of an accepted run",
    given: { run: aRun({ status: "accepted" }), job: absent },
    want: { do: "look", at: "message" },
  },
  {
    name: "goes on once the message is deferred",
    given: { run: aRun({ status: "accepted" }), job: absent, message: "deferred" },
    want: { do: "await start" },
  },
  {
    name: "leaves an active message to its redelivery",
    given: { run: aRun({ status: "accepted" }), job: absent, message: "active" },
    want: { do: "leave" },
  },
  {
    name: "leaves a message that another instance has deferred",
    given: { run: aRun({ status: "accepted" }), job: absent, message: "foreign" },
    want: { do: "leave", cause: "another-instance" },
  },
  {
    name: "forgets its doubt once the message is seen, though another instance has deferred it",
    given: { run: aRun({ status: "accepted", absentSince: T0 }), job: absent, message: "foreign" },
    want: { do: "trust" },
  },
  {
    name: "only doubts a message that one peek missed",
    given: { run: aRun({ status: "accepted" }), job: absent, message: "absent" },
    want: { do: "doubt" },
  },
  {
    name: "looks again a lock duration later before it receives the message",
    given: { run: aRun({ status: "accepted", absentSince: T0 + 1_001 - LOCK_MS }), job: absent, message: "absent" },
    want: { do: "doubt" },
  },
  {
    name: "asks for a message by its number once two peeks a lock duration apart have missed it",
    given: { run: aRun({ status: "accepted", absentSince: T0 + 1_000 - LOCK_MS }), job: absent, message: "absent" },
    want: { do: "receive" },
  },
  {
    name: "forgets its doubt once the message is seen",
    given: { run: aRun({ status: "accepted", absentSince: T0 }), job: absent, message: "deferred" },
    want: { do: "trust" },
  },
  {
    name: "closes the run as lost if the message is gone",
    given: { run: aRun({ status: "accepted" }), job: absent, message: "gone" },
    want: { do: "close", verdict: { outcome: "lost" } },
  },
  {
    name: "leaves a Job that was created just now to the process that created it",
    given: { run: aRun({ status: "accepted", notBefore: T0 + 9_000 }), job: { phase: "running" } },
    want: { do: "leave", cause: "trigger-at-work" },
  },
  ...([undefined, "deferred", "foreign", "active", "absent", "gone"] as const).map((message) => ({
    name: `adopts a Job that was created and not recorded, whatever the bus shows of its message: ${message ?? "not asked"}`,
    given: { run: aRun({ status: "accepted" }), job: { phase: "failed" }, ...(message && { message }) } as const,
    want: { do: "adopt" },
  })),
  {
    name: "does not adopt a Job that is not the attempt's, and goes on as without one",
    given: { run: aRun({ status: "accepted" }), job: { phase: "foreign" }, message: "deferred" },
    want: { do: "await start" },
  },
  // waiting
  {
    name: "waits out the back-off",
    given: { run: aRun({ status: "waiting", notBefore: T0 + 9_000 }), job: absent },
    want: { do: "leave", cause: "back-off" },
  },
  {
    name: "waits for a slot",
    given: { run: aRun({ status: "waiting" }), job: absent, slot: { start: false, cause: "max-active" } },
    want: { do: "leave", cause: "max-active" },
  },
  {
    name: "asks for a slot once its time has come",
    given: { run: aRun({ status: "waiting" }), job: absent, slot: undefined },
    want: { do: "look", at: "slot" },
  },
  {
    name: "looks at the message before it starts",
    given: { run: aRun({ status: "waiting" }), job: absent },
    want: { do: "look", at: "message" },
  },
  {
    name: "starts a deferred message's Job",
    given: { run: aRun({ status: "waiting" }), job: absent, message: "deferred" },
    want: { do: "start" },
  },
  {
    name: "does not start while the message is active",
    given: { run: aRun({ status: "waiting", attempt: 2 }), job: absent, message: "active" },
    want: { do: "leave", cause: "active-though-deferred" },
  },
  {
    name: "leaves a run that joined the line just now to its trigger, which defers the message",
    given: { run: aRun({ status: "waiting" }), job: absent, message: "active" },
    want: { do: "leave", cause: "trigger-at-work", until: T0 + 15_000 },
  },
  {
    name: "leaves a run that joined the line to the next delivery if its message was never deferred",
    given: { run: aRun({ status: "waiting" }), job: absent, message: "active", now: T0 + 15_000 },
    want: { do: "leave", cause: "redelivery" },
  },
  {
    name: "does not start what another instance has deferred",
    given: { run: aRun({ status: "waiting", attempt: 2 }), job: absent, message: "foreign" },
    want: { do: "leave", cause: "another-instance" },
  },
  {
    name: "waits for the process that may still defer a letter, though another instance has it",
    given: { run: aRun({ status: "waiting", redrive: 1 }), job: absent, message: "foreign" },
    want: { do: "leave", cause: "trigger-at-work" },
  },
  {
    name: "withdraws the run of a letter that another instance has deferred",
    given: {
      run: aRun({ status: "waiting", redrive: 1 }),
      job: absent,
      message: "foreign",
      now: T0 + LOCK_MS + 15_000,
    },
    want: { do: "close", verdict: { outcome: "withdrawn" } },
  },
  {
    name: "doubts before it calls a waiting run lost",
    given: { run: aRun({ status: "waiting" }), job: absent, message: "absent" },
    want: { do: "doubt" },
  },
  {
    name: "calls a waiting run lost if its message is gone",
    given: { run: aRun({ status: "waiting" }), job: absent, message: "gone" },
    want: { do: "close", verdict: { outcome: "lost" } },
  },
  {
    name: "adopts a Job whose row was lost",
    given: { run: aRun({ status: "waiting" }), job: { phase: "running" } },
    want: { do: "adopt" },
  },
  {
    name: "takes another name if a foreign Job has this one",
    given: { run: aRun({ status: "waiting" }), job: { phase: "foreign" } },
    want: { do: "retry", failures: 0, interruptions: 1 },
  },
  // dispatched
  { name: "leaves a running Job", given: {}, want: { do: "leave" } },
  {
    name: "leaves a suspended Job, such as one that Kueue queues",
    given: { job: { phase: "suspended" } },
    want: { do: "leave" },
  },
  {
    name: "waits for the terminal condition of a Job that is terminating",
    given: { job: { phase: "terminating" } },
    want: { do: "leave" },
  },
  { name: "does not believe a list that lacks the Job", given: { job: absent }, want: { do: "look", at: "job" } },
  {
    name: "counts a deleted Job as an interruption",
    given: { job: { phase: "absent", confirmed: true } },
    want: { do: "retry", failures: 0, interruptions: 1 },
  },
  {
    name: "looks at a pod that seems stuck",
    given: { job: { phase: "pending", suspect: true } },
    want: { do: "look", at: "job" },
  },
  {
    name: "leaves a pod that is starting",
    given: { job: { phase: "pending", suspect: false } },
    want: { do: "leave" },
  },
  {
    name: "ends a Job that can't start",
    given: { job: { phase: "pending", suspect: false, stuck: badImage } },
    want: { do: "end", end: badImage },
  },
  {
    name: "notes what keeps a Job from starting",
    given: { job: { phase: "pending", suspect: false, held: FULL } },
    want: { do: "note hold", hold: FULL },
  },
  {
    name: "leaves a Job that the cluster keeps from starting, and says why, whether it looked or not",
    given: { run: aRun({ heldUpBy: "no-node", heldUpSince: T0 }), job: { phase: "pending", suspect: false } },
    want: { do: "leave", cause: "no-node" },
  },
  {
    name: "notes a hold once, and not again with other words",
    given: {
      run: aRun({ heldUpBy: "no-node", heldUpSince: T0 }),
      job: { phase: "pending", suspect: false, held: { ...FULL, detail: "0/4 nodes" } },
    },
    want: { do: "leave", cause: "no-node" },
  },
  {
    name: "calls a Job at work that its template keeps from starting, until it ends it",
    given: { run: aRun({ heldUpBy: "image", heldUpSince: T0 }), job: { phase: "pending", suspect: false } },
    want: { do: "leave", cause: "job-at-work" },
  },
  ...(
    [
      { phase: "pending", suspect: false, held: "nothing" },
      { phase: "running" },
      { phase: "suspended" },
    ] satisfies JobSeen[]
  ).map((job) => ({
    name: `forgets a hold once the Job is ${job.phase} and nothing holds it up`,
    given: { run: aRun({ heldUpBy: "image", heldUpSince: T0 }), job } as const,
    want: { do: "note hold", hold: undefined },
  })),
  ...(
    [
      { phase: "absent", confirmed: true },
      { phase: "failed", end: evicted },
    ] satisfies JobSeen[]
  ).map((job) => ({
    name: `charges nothing for a Job that is ${job.phase}, and that the cluster had kept from starting`,
    given: { run: aRun({ heldUpBy: "no-node", heldUpSince: T0 }), job } as const,
    want: { do: "retry", failures: 0, interruptions: 0 },
  })),
  {
    name: "ends a Job that is cancelled, whatever holds it up",
    given: { cancelled: true, job: { phase: "pending", suspect: false, held: FULL } },
    want: { do: "end", end: { kind: "cancel" } },
  },
  {
    name: "orders the end of a suspended Job that can't wait any longer, and calls it over only then",
    given: { job: { phase: "suspended", stuck: unstarted } },
    want: { do: "end", end: unstarted },
  },
  {
    name: "calls a suspended Job over whose end it ordered, at no cost if it had not started",
    given: { run: aRun({ endOrdered: unstarted }), job: { phase: "suspended", hasPod: false, stuck: unstarted } },
    want: { do: "retry", failures: 0, interruptions: 0 },
  },
  {
    name: "looks whether a suspended Job still has a pod before it calls it over",
    given: { run: aRun({ endOrdered: unstarted }), job: { phase: "suspended", stuck: unstarted } },
    want: { do: "look", at: "job" },
  },
  {
    name: "does not call a suspended Job over whose pod is still there, because it was preempted",
    given: { run: aRun({ endOrdered: unstarted }), job: { phase: "suspended", hasPod: true, stuck: unstarted } },
    want: { do: "leave", cause: "job-suspended" },
  },
  ...(["running", "terminating"] as const).flatMap((phase) => [
    {
      name: `looks at a Job that may be overdue: ${phase}`,
      given: { run: aRun({ jobOverdueAt: T0 }), job: { phase } } as const,
      want: { do: "look", at: "job" },
    },
    {
      name: `notes that the Job's limit is later: ${phase}`,
      given: { run: aRun({ jobOverdueAt: T0 }), job: { phase, limitAt: T0 + 9_000 } } as const,
      want: { do: "note limit", limitAt: T0 + 9_000 },
    },
    {
      name: `leaves an overdue Job, and says so: ${phase}`,
      given: { run: aRun({ jobOverdueAt: T0 }), job: { phase, limitAt: T0 } } as const,
      want: { do: "leave", cause: "job-overdue" },
    },
  ]),
  {
    name: "does not call a Job overdue that has not started",
    given: { run: aRun({ jobOverdueAt: T0 }), job: { phase: "pending", suspect: false } },
    want: { do: "leave", cause: "job-at-work" },
  },
  {
    name: "repeats the order to end a Job that it is ending",
    given: { run: aRun({ endOrdered: badImage }) },
    want: { do: "end", end: badImage },
  },
  { name: "ends a cancelled Job", given: { cancelled: true }, want: { do: "end", end: { kind: "cancel" } } },
  {
    name: "concludes a cancelled Job that is suspended",
    given: { cancelled: true, job: { phase: "suspended", hasPod: false } },
    want: { do: "conclude", verdict: { outcome: "cancelled" } },
  },
  {
    name: "concludes cancelled once the Job has ended",
    given: { run: aRun({ endOrdered: cancelled }), job: { phase: "failed" } },
    want: { do: "conclude", verdict: { outcome: "cancelled", reason: "Cancelled" } },
  },
  {
    name: "does not retry a Job that failed while cancelled",
    given: { cancelled: true, job: { phase: "failed", end: failed } },
    want: { do: "conclude", verdict: { outcome: "cancelled", reason: "Cancelled" } },
  },
  {
    name: "concludes success if the Job succeeded",
    given: { job: { phase: "succeeded" } },
    want: { do: "conclude", verdict: { outcome: "succeeded" } },
  },
  {
    name: "takes exit 0 for success, even if the Dispatcher is ending the Job",
    given: { run: aRun({ endOrdered: cancelled }), job: { phase: "succeeded" } },
    want: { do: "conclude", verdict: { outcome: "succeeded" } },
  },
  {
    name: "looks at a failed Job to learn why it failed",
    given: { job: { phase: "failed" } },
    want: { do: "look", at: "job" },
  },
  {
    name: "retries a failure",
    given: { job: { phase: "failed", end: failed } },
    want: { do: "retry", failures: 1, interruptions: 0 },
  },
  {
    name: "gives up once the failures are used up",
    given: { run: aRun({ failures: 2, attempt: 3 }), job: { phase: "failed", end: failed } },
    want: { do: "conclude", verdict: { outcome: "failed", reason: "JobFailed", exitCode: 1 } },
  },
  {
    name: "gives up at once on a permanent failure",
    given: { job: { phase: "failed", end: { ...failed, permanent: true } } },
    want: { do: "conclude", verdict: { outcome: "failed", reason: "JobFailed" } },
  },
  {
    name: "charges no failure for an interruption",
    given: { run: aRun({ failures: 2 }), job: { phase: "failed", end: evicted } },
    want: { do: "retry", failures: 2, interruptions: 1 },
  },
  {
    name: "gives up after too many interruptions",
    given: { run: aRun({ interruptions: 2 }), job: { phase: "failed", end: evicted } },
    want: { do: "conclude", verdict: { outcome: "failed", reason: "InterruptedTooOften" } },
  },
  {
    name: "looks how a Job ended whose end it ordered, because it may have ended by itself before",
    given: { run: aRun({ endOrdered: badImage }), job: { phase: "failed" } },
    want: { do: "look", at: "job" },
  },
  {
    name: "judges a Job that it ended itself by its own reason",
    given: {
      run: aRun({ endOrdered: badImage, failures: 2 }),
      job: { phase: "failed", end: evicted, byDeadline: true },
    },
    want: { do: "conclude", verdict: { outcome: "failed", reason: "JobNotStarted" } },
  },
  {
    name: "judges a Job by its own end, if the order to end it did not take effect",
    given: {
      run: aRun({ endOrdered: unstarted }),
      job: { phase: "failed", end: { ...failed, permanent: true }, byPod: true, byDeadline: false },
    },
    want: { do: "conclude", verdict: { outcome: "failed", reason: "JobFailed" } },
  },
  {
    name: "counts an interruption that the pod itself proves, though the cluster had kept the Job from starting before",
    given: {
      run: aRun({ heldUpBy: "no-node", heldUpSince: T0 }),
      job: { phase: "failed", end: evicted, byPod: true },
    },
    want: { do: "retry", failures: 0, interruptions: 1 },
  },
  // requeueing, settling
  {
    name: "finishes a requeue although the next attempt has to wait",
    given: { run: aRun({ status: "requeueing", notBefore: T0 + 9_000 }) },
    want: { do: "requeue" },
  },
  {
    name: "lets a busy message rest before it requeues",
    given: { run: aRun({ status: "requeueing", notBefore: T0 + 9_000, busyCount: 1 }) },
    want: { do: "leave", cause: "busy" },
  },
  {
    name: "settles the message of a run with a verdict",
    given: { run: aRun({ status: "settling", verdict: { outcome: "succeeded" } }) },
    want: { do: "settle" },
  },
  {
    name: "waits while another receiver has the message locked",
    given: { run: aRun({ status: "settling", verdict: { outcome: "succeeded" } }), message: "deferred" },
    want: { do: "wait while busy" },
  },
  {
    name: "does not settle while the message is active",
    given: { run: aRun({ status: "settling", verdict: { outcome: "succeeded" } }), message: "active" },
    want: { do: "leave" },
  },
  {
    name: "does not settle what another instance has deferred",
    given: { run: aRun({ status: "settling", verdict: { outcome: "rejected" } }), message: "foreign" },
    want: { do: "leave", cause: "another-instance" },
  },
  {
    name: "closes a cancelled run whose letter another instance has deferred",
    given: {
      run: aRun({ status: "settling", redrive: 1, verdict: { outcome: "cancelled", unbegun: true } }),
      message: "foreign",
    },
    want: { do: "close", verdict: { outcome: "cancelled" } },
  },
  {
    name: "doubts before it believes that the message was settled",
    given: { run: aRun({ status: "settling", verdict: { outcome: "succeeded" } }), message: "absent" },
    want: { do: "doubt" },
  },
  {
    name: "closes the run by its verdict if the message is gone",
    given: { run: aRun({ status: "settling", verdict: { outcome: "succeeded" } }), message: "gone" },
    want: { do: "close", verdict: { outcome: "succeeded" } },
  },
];

describe("decide", () => {
  it.each(CASES)("$name", ({ given, want }) => {
    expect(decide(seen(given))).toMatchObject(want);
  });

  it("says in the verdict which Job, which attempt, and why", () => {
    const run = aRun({ jobName: "thumbnail-x-1-3", attempt: 3, failures: 2 });
    const decision = decide(seen({ run, job: { phase: "failed", end: failed } }));
    expect(decision).toMatchObject({ verdict: { description: "Job thumbnail-x-1-3, attempt 3 of 3: exit code 1" } });
  });

  it("doubles the back-off up to its limit, with a jitter that is the same for the same run and attempt", () => {
    const waits = [0, 1, 2, 3, 4].map((failures) => {
      const given = seen({
        run: aRun({ failures }),
        job: { phase: "failed", end: failed },
        retry: { ...retry, maxAttempts: 9 },
      });
      const decision = decide(given);
      expect(decide(given)).toEqual(decision);
      return decision.do === "retry" ? decision.notBefore - given.now : Number.NaN;
    });
    for (const [index, whole] of [1_000, 2_000, 4_000, 8_000, 8_000].entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(whole / 2);
      expect(waits[index]).toBeLessThanOrEqual(whole);
    }
  });

  const PHASES: JobSeen[] = [
    absent,
    { phase: "absent", confirmed: true },
    { phase: "pending", suspect: true },
    { phase: "pending", suspect: false },
    { phase: "running" },
    { phase: "suspended" },
    { phase: "terminating" },
    { phase: "succeeded" },
    { phase: "failed" },
    { phase: "failed", end: failed },
    { phase: "foreign" },
  ];
  const MESSAGES: (MessageSeen | undefined)[] = [undefined, "deferred", "foreign", "active", "absent", "gone"];
  const SWEEP = OPEN_STATUSES.flatMap((status) =>
    PHASES.flatMap((job) => MESSAGES.map((message) => ({ status, job, message }))),
  );

  it.each(SWEEP)(
    "decides the same twice, and starts only a deferred message without a Job: $status, $job.phase, $message",
    ({ status, job, message }) => {
      const given = seen({
        run: aRun({ status, verdict: { outcome: "succeeded" } }),
        job,
        ...(message && { message }),
      });
      const decision = decide(given);
      expect(decide(given)).toEqual(decision);
      const rules: Partial<Record<Decision["do"], boolean>> = {
        start: status === "waiting" && job.phase === "absent" && message === "deferred",
        settle: status === "settling",
        adopt: status === "waiting" || status === "accepted",
        requeue: status === "requeueing",
        // A verdict closes a run only if its message is gone. Otherwise the message is settled first.
        close: message === "gone",
      };
      expect(rules[decision.do] ?? true).toBe(true);
    },
  );
});
