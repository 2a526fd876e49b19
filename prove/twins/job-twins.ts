import type { V1Job } from "@kubernetes/client-node";
import { identityAnnotations, identityLabels } from "../../shared/jobs/job-identity.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import type { Books, Finding } from "../audit.ts";
import { QUEUE } from "../kinds.ts";
import { isAbout, type Scene, starts } from "./scene.ts";
import { NO_ORPHAN_JOBS, type Scenario, type Twin } from "./twin.ts";

const CLUSTER = "shared/adapters/kubernetes-jobs.ts";
const START = "shared/dispatch/start-attempt.ts";
const DECIDE = "shared/run/decide.ts";
/** As the stage calls it. */
const INSTANCE = "proof";

/** The first attempt's Job of the only run that is open. */
function firstJobOf({ open }: Books) {
  const [, number, enqueued] = open[0]?.runId.split(":") ?? [];
  const key = { source: { queue: QUEUE }, sequenceNumber: Number(number), enqueuedAt: Number(enqueued) };
  return { key, name: jobName({ module: "succeed", instance: INSTANCE, key, attempt: 1 }) };
}

/** A Job that somebody made by hand: it does nothing, and at once. */
function handMade(name: string, metadata: V1Job["metadata"] = {}): V1Job {
  const container = { name: "worker", image: "busybox:1.36", command: ["true"] };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { ...metadata, name },
    spec: { template: { spec: { restartPolicy: "Never", containers: [container] } } },
  };
}

/** A Dispatcher about to start attempt 1 is held up until another one has started attempt 2. */
async function startLate({ script, send, until }: Scene): Promise<void> {
  const asleep = script.catch("create a job", "before", { asleep: true });
  await send("retry");
  const sleeper = await asleep;
  await until("attempt 2 starts", (books) => starts(books, 2) === 1);
  sleeper.goOn();
}

/** A run closes as lost while its Job is being created. */
const CREATED_TOO_LATE: Scenario = {
  story:
    "while a Dispatcher creates a Job, the queue is deleted and made again, and another Dispatcher closes the run as lost",
  async play({ script, send, until, recreateBus }) {
    const creating = script.catch("create a job", "before");
    await send("success");
    const held = await creating;
    await recreateBus();
    await until("the run closes", ({ closed }) => closed.length === 1);
    held.goOn();
    await until("the Job is there", ({ jobs }) => jobs.length === 1);
  },
  forgives: ({ about }, books) => isAbout("success-1", about, books),
};

/** What guards the Jobs. */
export const JOB_TWINS: readonly Twin[] = [
  {
    name: "own-name",
    guard: "a Job's name follows from its attempt, so that the cluster itself refuses a second one",
    removal: [
      {
        file: "shared/jobs/job-name.ts",
        find: "return `${label(module)}-${hash}-${key.sequenceNumber.toString(36)}-${attempt}`;",
        put: "return `${label(module)}-${Math.floor(Math.random() * 1e9).toString(36)}-${key.sequenceNumber.toString(36)}-${attempt}`;",
      },
    ],
    scenario: {
      story: "the Dispatcher dies when the Job is created",
      async play({ script, send }) {
        const creating = script.catch("create a job", "after");
        await send("success");
        (await creating).kill();
      },
    },
    finds: ["doubled"],
  },
  {
    name: "tombstone",
    guard: "an attempt's Job stays when the attempt is over, and keeps its name taken",
    removal: [
      {
        file: CLUSTER,
        find: "spec: { ttlSecondsAfterFinished: ttlSeconds,",
        put: "spec: { ttlSecondsAfterFinished: 0,",
      },
    ],
    scenario: {
      story:
        "a Dispatcher falls asleep before it creates attempt 1's Job, and wakes when another one has started attempt 2",
      play: startLate,
    },
    finds: ["doubled"],
  },
  {
    name: "fresh-row",
    guard: "a Job is created only if its row was read in the last minute, for a tombstone doesn't stay for ever",
    removal: [{ file: START, find: "if (!isFresh(stored.read, deps.clock, MAX_ROW_AGE_MS))", put: "if (false)" }],
    // A minute takes long to tell.
    without: [{ file: START, find: "MAX_ROW_AGE_MS = 60_000;", put: "MAX_ROW_AGE_MS = 5_000;" }],
    scenario: {
      story:
        "a Dispatcher falls asleep between row and Job, and wakes when attempt 1 is over, its Job's TTL too, and attempt 2 has started",
      async play({ script, cluster, send, until }) {
        const asleep = script.catch("defer a message", "after", { asleep: true });
        await send("retry");
        const sleeper = await asleep;
        const { jobs } = await until("attempt 2 starts", (books) => starts(books, 2) === 1);
        for (const { name } of jobs.filter(({ name: one }) => one.endsWith("-1"))) await cluster.deleteJob(name);
        sleeper.goOn();
      },
    },
    finds: ["doubled"],
  },
  {
    name: "adopt-ours",
    guard: "a Job that has the attempt's name is adopted only if it is this attempt's",
    removal: [
      { file: START, find: "const ours = isOurs(job, deps.instance, run, run.attempt);", put: "const ours = true;" },
    ],
    scenario: {
      story: "somebody made a Job by hand, from another run's, under the very name that an attempt needs",
      async play({ script, cluster, send, until }) {
        const creating = script.catch("create a job", "before");
        await send("success");
        const held = await creating;
        const { key, name } = firstJobOf(await until("the row is there", ({ open }) => open.length === 1));
        const annotations = identityAnnotations({ ...key, sequenceNumber: key.sequenceNumber + 1 });
        await cluster.create(
          handMade(name, { labels: identityLabels(INSTANCE, { module: "succeed", attempt: 1 }), annotations }),
        );
        held.goOn();
      },
      // The name is taken, which is an interruption; and their Job is theirs.
      forgives: ({ what, about }) => what.startsWith("1 interruptions") || about.startsWith("succeed-"),
    },
    finds: ["lost"],
  },
  {
    name: "slow-absence-of-jobs",
    guard: "a Job that the list doesn't show is looked for by its name before it is missed",
    removal: [
      {
        file: DECIDE,
        find: `  if (seen.job.phase === "absent" && !seen.job.confirmed) return { do: "look", at: "job" };
`,
        put: "",
      },
    ],
    scenario: {
      story: "a list of the Jobs is older than the Job of a run that has one",
      async play({ script, send, until }) {
        const empty = await script.listen("list the jobs");
        const dispatching = script.catch("update a run to dispatched", "after");
        await send("success");
        const held = await dispatching;
        script.repeat("list the jobs", empty, 4);
        held.goOn();
        await until("the lists are read", () => script.lies === 0);
      },
    },
    finds: ["doubled"],
  },
  {
    name: "rows-before-jobs",
    guard: "a tick reads the rows first and lists the Jobs after: a Job that a row speaks of is in the list",
    removal: [
      {
        file: "shared/reconcile/reconcile.ts",
        find: `      const all = await readRuns(deps, admission, tally);
      const view = await viewCluster(deps);
`,
        put: `      const view = await viewCluster(deps);
      const all = await readRuns(deps, admission, tally);
`,
      },
    ],
    without: [
      {
        file: DECIDE,
        find: `  if (seen.job.phase === "absent" && !seen.job.confirmed) return { do: "look", at: "job" };
`,
        put: "",
      },
    ],
    scenario: {
      story: "a Job is started between the two halves of a tick's look",
      async play({ script, send, until }) {
        const held = await script.catch("list the jobs", "after");
        await send("success");
        await until("it is started", ({ open, closed }) => closed.length > 0 || open[0]?.status === "dispatched");
        held.goOn();
      },
    },
    finds: ["doubled"],
  },
  {
    name: "mass-absence",
    guard: "where many Jobs are missing at once, none of the absences is believed",
    removal: [
      {
        file: "shared/reconcile/snapshot.ts",
        find: "return absent >= MASS_ABSENCE.atLeast && absent > dispatched.length * MASS_ABSENCE.share;",
        put: "return false;",
      },
    ],
    scenario: {
      story: "with twelve Jobs at work, the cluster that answers is for a while another one, which has none of them",
      async play({ script, send, until }) {
        const empty = await script.listen("list the jobs");
        const ticks = [0, 1].map((slot) => script.catch("list the jobs", "before", { slot }));
        const held = await Promise.all(ticks);
        for (let count = 0; count < 12; count += 1) await send("success");
        await until(
          "all have their Jobs",
          ({ open }) => open.filter(({ status }) => status === "dispatched").length === 12,
        );
        script.repeat("list the jobs", empty, 4);
        script.lie("read a job", 404, { times: Number.POSITIVE_INFINITY });
        for (const tick of held) tick.goOn();
        await until("four ticks have looked", () => script.lies === 1);
        script.tellTruth();
      },
    },
    finds: ["doubled", "wrong"],
  },
  {
    name: "end-what-came-too-late",
    guard: "a Job whose run moved on while it was created is ended by whoever created it",
    removal: [{ file: START, find: "    await deps.cluster.end(job.name, job.uid);\n", put: "" }],
    without: [NO_ORPHAN_JOBS],
    scenario: {
      ...CREATED_TOO_LATE,
      // Without the second line nobody retires it.
      forgives: ({ what, about }, books) =>
        isAbout("success-1", about, books) || what.startsWith("a job that is not retired"),
      async alsoFinds({ job }, { jobs }): Promise<Finding[]> {
        const found = await Promise.all(jobs.map(({ name }) => job(name)));
        return found
          .filter(({ spec }) => spec?.activeDeadlineSeconds !== 1)
          .map(({ metadata }) => ({
            verdict: "wrong",
            about: metadata?.name ?? "",
            what: "its run is closed, and nobody ended it",
          }));
      },
    },
    finds: ["wrong"],
  },
  {
    name: "orphan-jobs",
    guard: "a tick ends and retires Jobs whose run is closed or past their attempt",
    removal: [NO_ORPHAN_JOBS],
    scenario: CREATED_TOO_LATE,
    finds: ["orphan"],
  },
  {
    name: "uid",
    guard: "a Job is patched only if it is the very one that was looked at",
    removal: [
      {
        file: CLUSTER,
        find: `metadata: { uid, labels: { [LABELS.settled]: "true" } },`,
        put: `metadata: { labels: { [LABELS.settled]: "true" } },`,
      },
    ],
    scenario: {
      story: "before a Dispatcher retires a Job, somebody deletes it and makes one of their own by its name",
      async play({ script, cluster, send, until }) {
        const retiring = script.catch("retire a job", "before");
        await send("success");
        const held = await retiring;
        const { jobs } = await until("the Job is there", (books) => books.jobs.length === 1);
        const name = jobs[0]?.name ?? "";
        await cluster.deleteJob(name);
        await until("it is gone", (books) => books.jobs.length === 0);
        await cluster.create(handMade(name));
        held.goOn();
      },
      forgives: ({ what }) => what === "a job that is not retired, of ",
      alsoFinds: async (_scene, { jobs }) =>
        jobs
          .filter(({ isSettled }) => isSettled)
          .map(({ name }) => ({ verdict: "wrong", about: name, what: "a Job of somebody else's was retired" })),
    },
    finds: ["wrong"],
  },
];
