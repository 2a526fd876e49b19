import { describe, expect, it } from "vitest";
import { audit, type NoteRow, type Records, type Stamps } from "../../prove/audit/audit.ts";
import { FOREIGN_MESSAGES } from "../../prove/stage/sender.ts";

const RUN = "proof:7:1700000000000";
const OTHER = "proof:8:1700000000001";
/** When a worker started; it ended a second later. */
const STARTED_AT = 1_700_000_010_000;
const ENDED_AT = STARTED_AT + 1_000;

const closed = (change: object = {}) => ({
  runId: RUN,
  messageId: "m",
  status: "succeeded",
  attempt: 1,
  failures: 0,
  interruptions: 0,
  ...change,
});
const line = (what: "start" | "end", change: object = {}) => ({
  runId: RUN,
  attempt: 1,
  messageId: "m",
  at: what === "start" ? STARTED_AT : ENDED_AT,
  what,
  code: 0,
  ...change,
});
/** The lines of attempt 2 of a message whose first attempt fails. */
const secondFrom = (at: number) => [line("start", { attempt: 2, at }), line("end", { attempt: 2, at: at + 1_000 })];
const failedFirst = [line("start"), line("end", { code: 3 })];
const retry: Partial<Records> = {
  sent: [{ id: "m", kind: "retry" }],
  closed: [closed({ attempt: 2, failures: 1, closedAt: ENDED_AT + 5_000 })],
  ledger: [...failedFirst, ...secondFrom(ENDED_AT)],
};
/** The records of a message that was redriven: its first run gave up, and its second one healed. */
const redriven = (change: { readonly firstAt?: number; readonly secondAt?: number } = {}): Partial<Records> => ({
  sent: [{ id: "m", kind: "redriven" }],
  closed: [
    closed({ status: "failed", reason: "JobFailed", failures: 1, closedAt: change.firstAt ?? ENDED_AT }),
    closed({ redrive: 1, closedAt: change.secondAt ?? ENDED_AT + 9_000 }),
  ],
  notes: [note("msg", "m"), note("msg", "m", `${RUN}:r1`)],
  ledger: [
    line("start"),
    line("end", { code: 64 }),
    line("start", { attempt: 1_001, at: ENDED_AT + 8_000 }),
    line("end", { attempt: 1_001, at: ENDED_AT + 9_000 }),
  ],
});
const onBus = { runId: RUN, messageId: "m", state: "deferred", stamps: { attempt: 1 } } as const;
const letter = (reason: string, stamps: Stamps = {}) =>
  ({
    runId: RUN,
    messageId: "m",
    state: "active",
    reason,
    stamps: { run: RUN, reason, attempt: 1, ...stamps },
  }) as const;

const note = (kind: NoteRow["kind"], says: string, runId = RUN) => ({ kind, runId, says });

/** Makes the records of one message that succeeded, at rest and in order; `change` says what is not. */
function records(change: Partial<Records> = {}): Records {
  return {
    sent: [{ id: "m", kind: "success" }],
    bus: [],
    deadLetters: [],
    foreign: FOREIGN_MESSAGES,
    open: [],
    marks: [],
    notes: [note("msg", "m")],
    closed: [closed()],
    jobs: [{ name: "job-1", runId: RUN, isRetired: true }],
    bodies: [],
    ledger: [line("start"), line("end")],
    ...change,
  };
}

const permanent: Partial<Records> = {
  sent: [{ id: "m", kind: "permanent" }],
  closed: [closed({ status: "failed", reason: "JobFailed", failures: 1 })],
  deadLetters: [letter("JobFailed")],
  notes: [note("msg", "m"), note("dead", "JobFailed")],
  ledger: [line("start"), line("end", { code: 64 })],
};

const saysOf = (change: Partial<Records>) => audit(records(change)).map(({ kind, what }) => `${kind}: ${what}`);

describe("the audit", () => {
  it("finds nothing if everything ended once, as it had to", () => {
    expect(audit(records())).toEqual([]);
    expect(audit(records(permanent))).toEqual([]);
    expect(audit(records(retry))).toEqual([]);
    expect(audit(records(redriven()))).toEqual([]);
  });

  it("allows the clock of a replica to be a second behind that of the workers", () => {
    expect(audit(records({ closed: [closed({ closedAt: ENDED_AT - 1_000 })] }))).toEqual([]);
  });

  it.each<{ name: string; change: Partial<Records>; want: string }>([
    {
      name: "a message that is in no record is lost",
      change: { closed: [], jobs: [], ledger: [] },
      want: "lost: 1 sent, and 0 in the records",
    },
    {
      name: "a message that is gone from the bus without a row is lost, though its work was done",
      change: { closed: [] },
      want: "lost: it is gone from the bus, and no row says why",
    },
    {
      name: "a row that says lost is believed",
      change: { closed: [closed({ status: "lost" })] },
      want: "lost: its row says so",
    },
    {
      name: "a row that says succeeded is not believed without the worker's own word",
      change: { ledger: [line("start")] },
      want: "lost: closed, and its work was never done",
    },
    {
      name: "a failed message without a dead letter is lost",
      change: { ...permanent, deadLetters: [] },
      want: "lost: it fails, and no dead letter says so",
    },
    {
      name: "one of two messages with one id is missed",
      change: { sent: [{ id: "m", kind: "sent twice" }] },
      want: "lost: 2 sent, and 1 in the records",
    },
    {
      name: "an attempt that started twice is doubled",
      change: { ledger: [line("start"), line("start"), line("end")] },
      want: "doubled: attempt 1 started 2 times",
    },
    {
      name: "work that was done by two attempts is doubled",
      change: { ledger: [line("start"), line("end"), line("start", { attempt: 2 }), line("end", { attempt: 2 })] },
      want: "doubled: its work was done 2 times",
    },
    {
      name: "a message with two runs is doubled",
      change: { closed: [closed(), closed({ runId: OTHER })] },
      want: `doubled: 1 sent, and 2 in the records (${[RUN, OTHER].join(" and ")})`,
    },
    {
      name: "a second run is seen in the ledger alone",
      change: { ledger: [line("start"), line("end"), line("start", { runId: OTHER })] },
      want: `doubled: 1 sent, and 2 in the records (${[RUN, OTHER].join(" and ")})`,
    },
    {
      name: "two dead letters are doubled",
      change: { ...permanent, deadLetters: [letter("JobFailed"), letter("JobFailed")] },
      want: "doubled: 2 dead letters",
    },
    {
      name: "an end that is not its kind's is wrong",
      change: { closed: [closed({ status: "failed", reason: "JobFailed" })] },
      want: "wrong: ended as failed (JobFailed), not succeeded",
    },
    {
      name: "a dead letter of a message that succeeds is wrong",
      change: { deadLetters: [letter("JobFailed")] },
      want: "wrong: it succeeds, and was dead-lettered (JobFailed)",
    },
    {
      name: "a dead letter with the broker's own reason is wrong",
      change: { ...permanent, deadLetters: [letter("MaxDeliveryCountExceeded")] },
      want: "wrong: dead-lettered as MaxDeliveryCountExceeded, not JobFailed",
    },
    {
      name: "a dead letter with the facts of another run is wrong",
      change: { ...permanent, deadLetters: [letter("JobFailed", { run: OTHER })] },
      want: `wrong: its dead letter has the facts of ${OTHER}`,
    },
    {
      name: "a dead letter with the facts of another reason is wrong",
      change: { ...permanent, deadLetters: [letter("JobFailed", { reason: "JobTimedOut" })] },
      want: "wrong: dead-lettered as JobFailed, with the facts of JobTimedOut",
    },
    {
      name: "a dead letter with the facts of another attempt is wrong",
      change: { ...permanent, deadLetters: [letter("JobFailed", { attempt: 2 })] },
      want: "wrong: its dead letter is of attempt 2, and its row of 1",
    },
    {
      name: "a deferred message with the stamp of a later attempt is wrong",
      change: {
        closed: [],
        marks: [RUN],
        open: [closed({ status: "waiting" })],
        bus: [{ ...onBus, stamps: { attempt: 2 } }],
      },
      want: "wrong: deferred with the stamp of attempt 2, and its row says 1",
    },
    {
      name: "a deferred message without a stamp is wrong",
      change: { closed: [], marks: [RUN], open: [closed({ status: "waiting" })], bus: [{ ...onBus, stamps: {} }] },
      want: "wrong: deferred without a stamp",
    },
    {
      name: "a closed run whose message is still there is wrong",
      change: { bus: [onBus] },
      want: "wrong: closed as succeeded, and still deferred on the bus",
    },
    {
      name: "a count that doesn't fit is wrong",
      change: { closed: [closed({ failures: 1, attempt: 2 })] },
      want: "wrong: 1 failures counted, not 0",
    },
    {
      name: "an interruption without a cause is wrong",
      change: { closed: [closed({ interruptions: 1, attempt: 2 })] },
      want: "wrong: 1 interruptions counted, not 0",
    },
    {
      name: "an attempt too many is wrong",
      change: { ledger: [line("start"), line("end"), line("start", { attempt: 2 })] },
      want: "wrong: 2 attempts started, not 1",
    },
    {
      name: "a run that closed while its worker was at work is wrong",
      change: { closed: [closed({ closedAt: ENDED_AT - 1_001 })] },
      want: "wrong: closed 1001 ms before its attempt 1 had ended",
    },
    {
      name: "a run that closed before its worker started is wrong",
      change: { closed: [closed({ closedAt: STARTED_AT - 3_000 })] },
      want: "wrong: closed 3000 ms before its attempt 1 had started",
    },
    {
      name: "the run of a redrive that closed while its own worker was at work is wrong",
      change: redriven({ secondAt: ENDED_AT + 7_500 }),
      want: "wrong: redrive 1 closed 1500 ms before its attempt 1 had ended",
    },
    {
      name: "a run that closed while its worker was at work is wrong, though it was redriven later",
      change: redriven({ firstAt: ENDED_AT - 2_000 }),
      want: "wrong: closed 2000 ms before its attempt 1 had ended",
    },
    {
      name: "an attempt that started before the one before it had ended is doubled",
      change: { ...retry, ledger: [...failedFirst, ...secondFrom(ENDED_AT - 1)] },
      want: "doubled: attempt 2 started 1 ms before attempt 1 had ended",
    },
    {
      name: "an attempt that started before the one before it is doubled",
      change: { ...retry, ledger: [line("start"), ...secondFrom(STARTED_AT - 500)] },
      want: "doubled: attempt 2 started 500 ms before attempt 1 had started",
    },
    {
      name: "a message that was never sent is wrong",
      change: { bus: [{ ...onBus, runId: OTHER, messageId: "whose?" }] },
      want: "wrong: it is in the records, but was never sent",
    },
    {
      name: "a foreign message that is gone is wrong",
      change: { foreign: FOREIGN_MESSAGES - 1 },
      want: `wrong: another instance deferred ${FOREIGN_MESSAGES}, and ${FOREIGN_MESSAGES - 1} are left`,
    },
    {
      name: "an open row has not ended",
      change: { closed: [], marks: [RUN], open: [closed({ status: "waiting" })], bus: [onBus] },
      want: "open: its row says waiting",
    },
    {
      name: "a deferred message without a row is an orphan",
      change: { bus: [onBus], closed: [] },
      want: "orphan: a deferred message without an open row",
    },
    { name: "a mark alone is an orphan", change: { marks: [OTHER] }, want: "orphan: a mark without its open row" },
    {
      name: "an open row alone is an orphan",
      change: { closed: [], open: [closed({ status: "waiting" })], bus: [onBus] },
      want: "orphan: an open row without its mark",
    },
    {
      name: "a job of a closed run that is not retired is an orphan",
      change: { jobs: [{ name: "job-1", runId: RUN, isRetired: false }] },
      want: `orphan: a Job that is not retired, of ${RUN}`,
    },
    {
      name: "a body of a closed run is an orphan",
      change: { bodies: [RUN] },
      want: "orphan: a body in the blob store",
    },
    { name: "no row finds a closed run", change: { notes: [] }, want: "note: no msg row says m" },
    {
      name: "no row finds an open run by its correlation id",
      change: { closed: [], marks: [RUN], open: [closed({ status: "waiting", correlationId: "c" })], bus: [onBus] },
      want: "note: no corr row says c",
    },
    {
      name: "no row speaks of a dead letter",
      change: { ...permanent, notes: [note("msg", "m")] },
      want: "note: no dead row says JobFailed",
    },
    {
      name: "a row says another reason than its dead letter",
      change: { ...permanent, notes: [note("msg", "m"), note("dead", "JobTimedOut")] },
      want: "note: a dead row says JobTimedOut, without cause",
    },
    {
      name: "a row speaks of a dead letter that is not there",
      change: { notes: [note("msg", "m"), note("dead", "JobFailed")] },
      want: "note: a dead row says JobFailed, without cause",
    },
    {
      name: "a row names a run that is not there",
      change: { notes: [note("msg", "m"), note("msg", "m", OTHER)] },
      want: "note: a msg row says m, without cause",
    },
  ])("says that $name", ({ change, want }) => {
    expect(saysOf(change)).toContain(want);
  });

  it("says which two neighbours were settled with the facts of the first, though both reasons are right", () => {
    const other = { runId: OTHER, messageId: "n" };
    const two = {
      ...permanent,
      sent: [
        { id: "m", kind: "permanent" },
        { id: "n", kind: "permanent" },
      ],
      closed: [
        ...(permanent.closed ?? []),
        { ...closed({ status: "failed", reason: "JobFailed", failures: 1 }), ...other },
      ],
      notes: [...(permanent.notes ?? []), note("msg", "n", OTHER), note("dead", "JobFailed", OTHER)],
      ledger: [...(permanent.ledger ?? []), line("start", other), line("end", { ...other, code: 64 })],
    } satisfies Partial<Records>;
    const own = [letter("JobFailed"), { ...letter("JobFailed", { run: OTHER }), ...other }];
    expect(audit(records({ ...two, deadLetters: own }))).toEqual([]);
    const first = [letter("JobFailed"), { ...letter("JobFailed"), ...other }];
    expect(audit(records({ ...two, deadLetters: first }))).toEqual([
      { kind: "wrong", about: OTHER, what: `its dead letter has the facts of ${RUN}` },
    ]);
    const exchanged = [letter("JobFailed", { run: OTHER }), { ...letter("JobFailed"), ...other }];
    expect(audit(records({ ...two, deadLetters: exchanged })).map(({ about }) => about)).toEqual([RUN, OTHER]);
  });
});
