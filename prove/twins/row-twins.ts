import { type Scene, starts } from "./scene.ts";
import { NO_SWEEP, type Scenario, type Twin } from "./twin.ts";

/** A Dispatcher sleeps before a write that belongs to attempt 1, and wakes in the middle of attempt 3. */
const LATE_UPDATE: Scenario = {
  story:
    "a Dispatcher falls asleep before it notes the end of attempt 1, and wakes while another one follows attempt 3",
  async play({ script, send, until }) {
    const asleep = script.catch("update a run to requeueing", "before", { asleep: true });
    await send("exhausted");
    const sleeper = await asleep;
    await until("attempt 3 starts", (books) => starts(books, 3) === 1);
    sleeper.goOn();
  },
};

/** The first Dispatcher to see a run wait for its second attempt is told twice that its message is gone. */
async function closeAsLost({ script, send, until, putToSleep }: Scene): Promise<void> {
  const waiting = script.catch("update a run to waiting", "after");
  await send("retry");
  const held = await waiting;
  const { slot } = held;
  const wakeOther = putToSleep(1 - slot);
  script.lie("peek at a message", 204, { slot, times: 100 });
  script.lie("receive a deferred message", 404, { slot, times: 100 });
  const closing = script.catch("close a run", "before", { slot, asleep: true });
  held.goOn();
  const closer = await closing;
  script.tellTruth();
  wakeOther();
  await until("attempt 2 starts", (books) => starts(books, 2) === 1);
  closer.goOn();
}

/** What guards a run's rows, and the order in which they are written. */
export const ROW_TWINS: readonly Twin[] = [
  {
    name: "permanent-lock",
    guard: "a run's mark is inserted with its row, and stays: who was accepted once is never accepted again",
    removal: [
      {
        guard: "permanent-lock",
        put: `const { etags, read } = await rows.transact(
          [{ kind: "create", row: { ...writeOpenRun(run), ...open } }],
          "inserting a run",
        );
        await rows.put(lock.partitionKey, lock.rowKey, writeOpenMark(run), "marking a run");`,
      },
    ],
    scenario: {
      story: "a Dispatcher falls asleep before it inserts the row, and wakes when another one is done with the message",
      async play({ script, send, until }) {
        const asleep = script.catch("insert a run", "before", { asleep: true });
        await send("success");
        const sleeper = await asleep;
        await until("the run closes", ({ closed }) => closed.length === 1);
        sleeper.goOn();
      },
    },
    finds: ["lost"],
    shows: "the run is opened again and ends as lost",
  },
  {
    name: "update-etag",
    guard: "an update goes out with the ETag of the row that it was decided on",
    removal: [
      { guard: "update-etag", put: `{ kind: "replace", row: { ...writeOpenRun(next), ...open }, etag: ANY_ETAG }` },
    ],
    scenario: LATE_UPDATE,
    // Two Dispatchers that start one run throw each other's row back, and it may never end.
    finds: ["doubled", "wrong", "open"],
    shows:
      "the run is thrown back to attempt 2: a fourth attempt, or two Dispatchers throw it back in turn and it never ends",
  },
  {
    name: "close-etag",
    guard: "a run is closed only as the row that this was decided on",
    removal: [{ guard: "close-etag", put: `{ kind: "delete", row: open, etag: ANY_ETAG }` }],
    scenario: {
      story:
        "a Dispatcher that is told twice that the message is gone falls asleep before it closes the run, and wakes when another one has found the message and started its next attempt",
      play: closeAsLost,
    },
    finds: ["lost", "doubled"],
    shows: "the run is closed under its own Job: done twice",
  },
  {
    name: "verdict-first",
    guard: "the verdict is in the row before the bus is touched",
    removal: [
      {
        guard: "verdict-first, verdict",
        put: "const kept = { ...stored, run: next };",
      },
      { guard: "verdict-first, logs", put: "kept = { ...stored, run: { ...run, logsUrl } };" },
    ],
    scenario: {
      story: "the Dispatcher dies when the message is completed, and before it is up again the Job's TTL is over",
      processes: 1,
      async play({ script, cluster, send, until }) {
        const completing = script.catch("complete a message", "after");
        await send("success");
        const completed = await completing;
        completed.kill();
        const { jobs } = await until("there is a job", ({ jobs: known }) => known.length > 0);
        for (const { name } of jobs) await cluster.deleteJob(name);
      },
    },
    finds: ["lost"],
    shows: "a message that was completed is taken for lost, and was tried again",
  },
  {
    name: "end-ordered-first",
    guard:
      "why the Dispatcher ends a Job is in the row before the Job is touched, for the Job itself will only say that it was ended",
    removal: [
      {
        guard: "end-ordered-first",
        put: (codeAt) =>
          `if (run.jobUid !== undefined) await deps.cluster.end(jobName, run.jobUid); ${codeAt("end-ordered-first")}`,
      },
    ],
    scenario: {
      story: "the Dispatcher dies when it has ended a Job that could not start",
      processes: 1,
      async play({ script, send }) {
        const ending = script.catch("end a job", "after");
        await send("no start");
        (await ending).kill();
      },
    },
    finds: ["wrong"],
    shows: "dead-lettered as `JobTimedOut`, not `JobNotStarted`",
  },
  {
    name: "row-before-defer",
    guard: "the row is inserted before the message is deferred",
    removal: [
      {
        guard: "row-before-defer, row",
        put: (codeAt) => `if (!run.verdict) ${codeAt("row-before-defer, defer")} ${codeAt("row-before-defer, row")}`,
      },
      { guard: "row-before-defer, defer", put: "" },
    ],
    without: [NO_SWEEP],
    scenario: {
      story: "the Dispatcher dies before it inserts the row",
      async play({ script, send }) {
        const inserting = script.catch("insert a run", "before");
        await send("success");
        (await inserting).kill();
      },
    },
    finds: ["open"],
    shows: "a deferred message that no row speaks of, for ever",
  },
  {
    name: "job-before-record",
    guard: "the row says that there is a Job only once there is one",
    removal: [
      {
        guard: "job-before-record",
        put: (codeAt) => `
          const early = dispatched(run, { name: job.metadata?.name ?? "", uid: "" }, deps.clock.now(), limitMs);
          delete early.jobUid;
          stored = await deps.table.update(stored, early);
          ${codeAt("job-before-record")}`,
      },
    ],
    scenario: {
      story: "the Dispatcher dies before it creates the Job",
      async play({ script, send }) {
        const creating = script.catch("create a job", "before");
        await send("success");
        (await creating).kill();
      },
    },
    finds: ["wrong"],
    shows: "an interruption that was none, and another attempt",
  },
];
