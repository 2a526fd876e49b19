import { identityAnnotations, identityLabels } from "../../shared/jobs/job-identity.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import type { Books, Finding } from "../audit/audit.ts";
import { QUEUE } from "../stage/kinds.ts";
import { handMadeJob } from "./hand-made-job.ts";
import { isAbout, type Scene, starts } from "./scene.ts";
import { NO_ORPHAN_JOBS, type Scenario, type Twin } from "./twin.ts";

/** As the stage calls it. */
const INSTANCE = "proof";

/** The first attempt's Job of the only run that is open. */
function firstJobOf({ open }: Books) {
  const [, number, enqueued] = open[0]?.runId.split(":") ?? [];
  const key = { source: { queue: QUEUE }, sequenceNumber: Number(number), enqueuedAt: Number(enqueued) };
  return { key, name: jobName({ module: "succeed", instance: INSTANCE, key, attempt: 1 }) };
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

/** What guards the start of an attempt: one Job, and no other. */
export const START_TWINS: readonly Twin[] = [
  {
    name: "own-name",
    guard: "a Job's name follows from its attempt, so that the cluster itself refuses a second one",
    removal: [
      {
        guard: "own-name",
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
    shows: "attempt 1 started twice",
  },
  {
    name: "tombstone",
    guard: "an attempt's Job stays when the attempt is over, and keeps its name taken",
    removal: [{ guard: "tombstone", put: "ttlSecondsAfterFinished: 0" }],
    scenario: {
      story:
        "a Dispatcher falls asleep before it creates attempt 1's Job, and wakes when another one has started attempt 2",
      play: startLate,
    },
    finds: ["doubled"],
    shows: "attempt 1 started twice",
  },
  {
    name: "fresh-row",
    guard: "a Job is created only if its row was read in the last minute, for a tombstone doesn't stay for ever",
    removal: [{ guard: "fresh-row", put: "" }],
    // A minute takes long to tell.
    without: [{ constant: "MAX_ROW_AGE_MS", put: "5_000" }],
    scenario: {
      story:
        "a Dispatcher falls asleep between row and Job, and wakes when attempt 1 is over, its Job's TTL too, and attempt 2 has started",
      async play({ script, cluster, send, until }) {
        const asleep = script.catch("defer a message", "after", { asleep: true });
        await send("retry");
        const sleeper = await asleep;
        const { jobs } = await until("attempt 2 starts", (books) => starts(books, 2) === 1);
        for (const { name } of jobs.filter(({ name: one }) => one.endsWith("-1"))) await cluster.deleteJob(name);
        await until("the tombstone is gone", (books) => !books.jobs.some(({ name }) => name.endsWith("-1")));
        sleeper.goOn();
      },
    },
    finds: ["doubled"],
    shows: "attempt 1 started twice",
  },
  {
    name: "adopt-ours",
    guard: "a Job that has the attempt's name is adopted only if it is this attempt's",
    removal: [{ guard: "adopt-ours", put: "const ours = true;" }],
    scenario: {
      story: "somebody made a Job by hand, from another run's, under the very name that an attempt needs",
      async play({ script, cluster, send, until }) {
        const creating = script.catch("create a job", "before");
        await send("success");
        const held = await creating;
        const { key, name } = firstJobOf(await until("the row is there", ({ open }) => open.length === 1));
        const annotations = identityAnnotations({ ...key, sequenceNumber: key.sequenceNumber + 1 });
        await cluster.create(
          handMadeJob(name, { labels: identityLabels(INSTANCE, { module: "succeed", attempt: 1 }), annotations }),
        );
        held.goOn();
      },
      // The name is taken, which is an interruption; and their Job is theirs.
      forgives: ({ what, about }) => what.startsWith("1 interruptions") || about.startsWith("succeed-"),
    },
    finds: ["lost"],
    shows: "completed, and its work was never done",
  },
  {
    name: "adopted-elsewhere",
    guard: "whoever created a Job and finds that another process has recorded it leaves it at work",
    removal: [{ guard: "adopted-elsewhere", put: "" }],
    scenario: {
      story: "a Dispatcher falls asleep before it records its Job, and wakes when another one has adopted it",
      async play({ script, send, until }) {
        const asleep = script.catch("update a run to dispatched", "before", { asleep: true });
        await send("stubborn");
        const sleeper = await asleep;
        await until("the other one adopts it", ({ open }) => open[0]?.status === "dispatched");
        sleeper.goOn();
      },
      async alsoFinds({ job }, { jobs }): Promise<Finding[]> {
        const [first] = jobs.filter(({ name }) => name.endsWith("-1"));
        if (first === undefined || (await job(first.name)).spec?.activeDeadlineSeconds !== 1) return [];
        return [{ verdict: "wrong", about: first.name, what: "it was ended while it was at work" }];
      },
    },
    finds: ["wrong"],
    shows: "a Job at work is ended",
  },
  {
    name: "end-what-came-too-late",
    guard: "a Job whose run moved on while it was created is ended by whoever created it",
    removal: [{ guard: "end-what-came-too-late", put: "" }],
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
    shows: "a Job goes on whose run is closed",
  },
  {
    name: "orphan-jobs",
    guard: "a tick ends and retires Jobs whose run is closed or past their attempt",
    removal: [NO_ORPHAN_JOBS],
    scenario: CREATED_TOO_LATE,
    finds: ["orphan"],
    shows: "a Job that nobody puts away",
  },
];
