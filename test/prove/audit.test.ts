import { describe, expect, it } from "vitest";
import { audit, type Books } from "../../prove/audit/audit.ts";
import { STRANGERS } from "../../prove/stage/sender.ts";

const RUN = "proof:7:1700000000000";
const OTHER = "proof:8:1700000000001";

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
  what,
  code: 0,
  ...change,
});
const onBus = { runId: RUN, messageId: "m", state: "deferred" } as const;
const letter = (reason: string) => ({ runId: RUN, messageId: "m", state: "active", reason }) as const;

/** One message that succeeds, at rest and in order; `change` says what is not. */
function books(change: Partial<Books> = {}): Books {
  return {
    sent: [{ id: "m", kind: "success" }],
    bus: [],
    deadLetters: [],
    strangers: STRANGERS,
    open: [],
    marks: [],
    closed: [closed()],
    jobs: [{ name: "job-1", runId: RUN, isRetired: true }],
    bodies: [],
    ledger: [line("start"), line("end")],
    ...change,
  };
}

const permanent: Partial<Books> = {
  sent: [{ id: "m", kind: "permanent" }],
  closed: [closed({ status: "failed", reason: "JobFailed", failures: 1 })],
  deadLetters: [letter("JobFailed")],
  ledger: [line("start"), line("end", { code: 64 })],
};

const verdictsOf = (change: Partial<Books>) => audit(books(change)).map(({ verdict, what }) => `${verdict}: ${what}`);

describe("the audit", () => {
  it("finds nothing where everything ended once, as it had to", () => {
    expect(audit(books())).toEqual([]);
    expect(audit(books(permanent))).toEqual([]);
  });

  it.each<{ name: string; change: Partial<Books>; want: string }>([
    {
      name: "a message that nothing knows of is lost",
      change: { closed: [], jobs: [], ledger: [] },
      want: "lost: 1 sent, and the books know 0",
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
      want: "lost: 2 sent, and the books know 1",
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
      want: `doubled: sent as 1, and the books know ${[RUN, OTHER].join(" and ")}`,
    },
    {
      name: "a second run is seen in the ledger alone",
      change: { ledger: [line("start"), line("end"), line("start", { runId: OTHER })] },
      want: `doubled: sent as 1, and the books know ${[RUN, OTHER].join(" and ")}`,
    },
    {
      name: "two dead letters are doubled",
      change: { ...permanent, deadLetters: [letter("JobFailed"), letter("JobFailed")] },
      want: "doubled: 2 dead letters",
    },
    {
      name: "another end than the kind's is wrong",
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
      name: "an interruption that nobody caused is wrong",
      change: { closed: [closed({ interruptions: 1, attempt: 2 })] },
      want: "wrong: 1 interruptions counted, and nobody interrupted it",
    },
    {
      name: "an attempt too many is wrong",
      change: { ledger: [line("start"), line("end"), line("start", { attempt: 2 })] },
      want: "wrong: 2 attempts started, not 1",
    },
    {
      name: "a message that nobody sent is wrong",
      change: { bus: [{ ...onBus, runId: OTHER, messageId: "whose?" }] },
      want: "wrong: nobody sent it, and yet it is in the books",
    },
    {
      name: "a stranger's message that is gone is wrong",
      change: { strangers: STRANGERS - 1 },
      want: `wrong: ${STRANGERS} messages of another Dispatcher, and ${STRANGERS - 1} left as they were`,
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
      want: `orphan: a job that is not retired, of ${RUN}`,
    },
    {
      name: "a body of a closed run is an orphan",
      change: { bodies: [RUN] },
      want: "orphan: a body in the blob store",
    },
  ])("says that $name", ({ change, want }) => {
    expect(verdictsOf(change)).toContain(want);
  });
});
