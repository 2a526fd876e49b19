import { type Scene, starts } from "./scene.ts";
import { NO_SWEEP, type Scenario, type Twin } from "./twin.ts";

/** A replica freezes before a write that belongs to attempt 1, and wakes in the middle of attempt 3. */
const LATE_UPDATE: Scenario = {
  story: "a replica freezes before it records the end of attempt 1, and wakes while another replica follows attempt 3",
  async play({ script, send, until }) {
    const freezing = script.catch("update a run to requeueing", "before", { freeze: true });
    await send("exhausted");
    const frozen = await freezing;
    await until("attempt 3 starts", (records) => starts(records, 3) === 1);
    frozen.goOn();
  },
};

/**
 * One replica freezes before it creates the Job of a run, and the other one finds neither Job nor message. It freezes
 * before it closes the run, and wakes when the first one has created the Job after all and its row says so.
 */
async function closeAsLost({ script, send, until }: Scene): Promise<void> {
  const creating = script.catch("create a job", "before", { freeze: true });
  await send("one at a time");
  const creator = await creating;
  const replica = 1 - creator.replica;
  script.answer("peek at a message", 204, { replica, times: 100 });
  script.answer("receive a deferred message", 404, { replica, times: 100 });
  const closer = await script.catch("close a run", "before", { replica, freeze: true });
  script.stopAnswering();
  const recording = script.catch("update a run to dispatched", "after", { replica: creator.replica });
  creator.goOn();
  const recorded = await recording;
  closer.goOn();
  // Until the other replica has tried to close the run, this one must not write the row again.
  await until("the late close reaches the table", () => script.carriedOut("close a run") > 0);
  recorded.goOn();
}

/** The guards of a run's rows, and of the order in which they are written. */
export const ROW_TWINS: readonly Twin[] = [
  {
    name: "permanent-lock",
    guard: "a run's mark is inserted with its row, and stays, so that a message is accepted only once",
    removal: [
      {
        guard: "permanent-lock",
        put: `const { etags, read } = await rows.transact(
          [{ kind: "create", row: { ...writeOpenRun(run), partitionKey, rowKey } }],
          "inserting a run",
        );
        await rows.put(partitionKey, runRow(run), writeMark(run, notedRow(rowKey)), "marking a run");`,
      },
    ],
    scenario: {
      story: "a replica freezes before it inserts the row, and wakes when another replica has closed the run",
      async play({ script, send, until }) {
        const freezing = script.catch("insert a run", "before", { freeze: true });
        await send("success");
        const frozen = await freezing;
        await until("the run closes", ({ closed }) => closed.length === 1);
        frozen.goOn();
      },
    },
    finds: ["lost"],
    shows: "the run is opened again and ends as lost",
  },
  {
    name: "update-etag",
    guard: "an update of a row carries the ETag of the row that the decision was made on",
    removal: [
      { guard: "update-etag, same place", put: `{ kind: "replace", row, etag: ANY_ETAG }` },
      {
        guard: "update-etag, other place",
        put: `{ kind: "delete", row: { partitionKey, rowKey: stored.row }, etag: ANY_ETAG }`,
      },
    ],
    scenario: LATE_UPDATE,
    // Two replicas that start one run put each other's row back, so the run may never end.
    finds: ["doubled", "wrong", "open"],
    shows: "the run goes back to attempt 2, and a fourth attempt starts or the run never ends",
  },
  {
    name: "close-etag",
    guard: "a run is closed only if its row is still the one that the decision was made on",
    removal: [
      { guard: "close-etag", put: `{ kind: "delete", row: { partitionKey, rowKey: stored.row }, etag: ANY_ETAG }` },
    ],
    scenario: {
      story:
        "a replica that finds neither Job nor message of a run freezes before it closes the run, and wakes when the replica that was about to create the Job has created it",
      play: closeAsLost,
    },
    // The lost run is taken up again, because its message is there.
    finds: ["wrong", "doubled", "lost"],
    shows: "the run is closed as lost while its Job is at work, taken up again, and its work is done twice",
  },
  {
    name: "verdict-first",
    guard: "the verdict is written into the row before the message is settled",
    removal: [
      {
        guard: "verdict-first, verdict",
        put: "const stored = { ...item.stored, run: next };",
      },
      { guard: "verdict-first, logs", put: "kept = { ...stored, run: { ...run, logsUrl } };" },
    ],
    scenario: {
      story:
        "the replica dies when it has completed the message, and the cluster deletes the Job before the replica is up again",
      replicas: 1,
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
    shows: "a completed message counts as lost, after another attempt",
  },
  {
    name: "end-ordered-first",
    guard:
      "the row says why the Dispatcher ends a Job before it ends the Job, because the Job itself only says that it was ended",
    removal: [
      {
        guard: "end-ordered-first",
        put: (codeAt) =>
          `if (run.jobUid !== undefined) await deps.cluster.end(jobName, run.jobUid); ${codeAt("end-ordered-first")}`,
      },
    ],
    scenario: {
      story: "the replica dies when it has ended a Job that could not start",
      replicas: 1,
      async play({ script, send }) {
        const ending = script.catch("end a job", "after");
        await send("no start");
        (await ending).kill();
      },
    },
    finds: ["wrong"],
    shows: "the end counts as an interruption by somebody else, and another attempt follows",
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
      story: "the replica dies before it inserts the row",
      async play({ script, send }) {
        const inserting = script.catch("insert a run", "before");
        await send("success");
        (await inserting).kill();
      },
    },
    finds: ["open"],
    shows: "the message stays deferred for ever, and no row speaks of it",
  },
  {
    name: "job-before-record",
    guard: "the row records a Job only after the Job was created",
    removal: [
      {
        guard: "job-before-record",
        put: (codeAt) => `
          const early = dispatched(run, { name: job.metadata?.name ?? "", uid: "" }, deps.clock.now(), runningLimitMs(job.spec?.template.spec));
          delete early.jobUid;
          Object.assign(stored, await deps.table.update(stored, early));
          ${codeAt("job-before-record")}`,
      },
    ],
    scenario: {
      story: "the replica dies before it creates the Job",
      async play({ script, send }) {
        const creating = script.catch("create a job", "before");
        await send("success");
        (await creating).kill();
      },
    },
    finds: ["wrong"],
    shows: "an interruption is counted that never happened, and another attempt starts",
  },
];
