import { setTimeout as sleep } from "node:timers/promises";
import { identityAnnotations, identityLabels } from "../../shared/jobs/job-identity.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import type { Finding, Records } from "../audit/audit.ts";
import { QUEUE } from "../stage/kinds.ts";
import type { GuardEdit } from "./edit.ts";
import { elsewhere } from "./elsewhere.ts";
import { handMadeJob } from "./hand-made-job.ts";
import { isAbout, type Scene, starts } from "./scene.ts";
import { NO_ORPHAN_JOBS, type Scenario, type Twin } from "./twin.ts";

/** How long another cluster has to be seen before it is taken, in the story of `mark-before-create`. */
const CHANGE_MS = 5_000;

/** The stage's name for the instance. */
const INSTANCE = "proof";

/** Names the Job of attempt 1 of the only open run. */
function firstJobOf({ open }: Records) {
  const [, number, enqueued] = open[0]?.runId.split(":") ?? [];
  const key = { source: { queue: QUEUE }, sequenceNumber: Number(number), enqueuedAt: Number(enqueued) };
  return { key, name: jobName({ module: "succeed", instance: INSTANCE, key, attempt: 1 }) };
}

/** Freezes a replica that is about to start attempt 1, until another replica has started attempt 2. */
async function startLate({ script, send, until }: Scene): Promise<void> {
  const freezing = script.catch("create a job", "before", { freeze: true });
  await send("retry");
  const frozen = await freezing;
  await until("attempt 2 starts", (records) => starts(records, 2) === 1);
  frozen.goOn();
}

/** Has a run close as lost while its Job is being created. */
const CREATED_TOO_LATE: Scenario = {
  story:
    "while a replica creates a Job, the queue is deleted and made again, and another replica closes the run as lost",
  async play({ script, send, until, recreateBus }) {
    const creating = script.catch("create a job", "before");
    await send("success");
    const caught = await creating;
    await recreateBus();
    await until("the run closes", ({ closed }) => closed.length === 1);
    caught.goOn();
    await until("the Job is there", ({ jobs }) => jobs.length === 1);
  },
  forgives: ({ about }, records) => isAbout("success-1", about, records),
};

/**
 * Freezes a replica that is about to create the Job of the first of two messages, until another replica has given the only
 * slot of their module to the second one, whose work takes long, and has put the first one in line.
 */
async function takeItsSlot({ script, send, until }: Scene) {
  // No tick may give the slot to the first one before the second one has it.
  const ticks = await Promise.all([0, 1].map((replica) => script.catch("list the jobs", "before", { replica })));
  const creating = script.catch("create a job", "before", { freeze: true });
  await send("one at a time");
  const frozen = await creating;
  await send("one at a time");
  await until("the second one is at work", ({ open }) => open.some(({ status }) => status === "dispatched"));
  for (const tick of ticks) tick.goOn();
  await until("the first one is in line", ({ open }) => open.some(({ status }) => status === "waiting"));
  return frozen;
}

/** Those in which nobody followed the first message's Job before the slot of the second one came free. */
const followedLate = new WeakSet<Scene>();

/** Notes which comes first: that the first of two messages is at work, too, or that the second one is over. */
async function watchFirst(scene: Scene): Promise<void> {
  const { closed } = await scene.until(
    "the first one is at work, or the second one is over",
    ({ open, closed }) => closed.length > 0 || open.filter(({ status }) => status === "dispatched").length === 2,
  );
  if (closed.length > 0) followedLate.add(scene);
}

async function findLate(scene: Scene, { closed }: Records): Promise<Finding[]> {
  const [first] = closed.toSorted((a, b) => a.messageId.localeCompare(b.messageId));
  if (!first || !followedLate.has(scene)) return [];
  return [{ kind: "wrong", about: first.runId, what: "its Job was followed only when a slot came free" }];
}

const NO_FOLLOW_UNSPOKEN: GuardEdit = { guard: "follow-unspoken", put: "" };

/** The guards of the start of an attempt, which has exactly one Job. */
export const START_TWINS: readonly Twin[] = [
  {
    name: "mark-before-create",
    guard:
      "the row of a run that waits says `accepted` before its Job is created, so that no other cluster is taken then",
    removal: [{ guard: "mark-before-create", put: "const marked = read;" }],
    // The story would have to wait for two minutes.
    without: [{ constant: "CHANGE_MS", put: String(CHANGE_MS) }],
    scenario: {
      story:
        "the replica dies when it has created the Job of attempt 2, and another cluster answers, which has no such Job",
      replicas: 1,
      async play({ script, cluster, send, until }) {
        const namespace = await script.listen("look at the namespace");
        const empty = await script.listen("list the jobs");
        const first = script.catch("create a job", "after");
        await send("retry");
        const caught = await first;
        const second = script.catch("create a job", "after");
        caught.goOn();
        const created = await second;
        const { jobs } = await until("attempt 2 is done", ({ ledger }) =>
          ledger.some(({ what, attempt }) => what === "end" && attempt === 2),
        );
        script.repeat("look at the namespace", elsewhere(namespace), Number.POSITIVE_INFINITY);
        script.repeat("list the jobs", empty, Number.POSITIVE_INFINITY);
        script.answer("read a job", 404, { times: Number.POSITIVE_INFINITY });
        const noted = script.listen("record the cluster").then(() => true);
        created.kill();
        const isTaken = await Promise.race([noted, sleep(4 * CHANGE_MS, false)]);
        // Only the other cluster lacks the Job. If it is not taken, the old one is there again, with its Job.
        if (isTaken) {
          for (const { name } of jobs) await cluster.deleteJob(name);
          await until("attempt 2 starts again", (records) => starts(records, 2) === 2);
        }
        script.stopAnswering();
      },
    },
    finds: ["doubled"],
    shows: "the other cluster is taken, and attempt 2 starts in it once more",
  },
  {
    name: "own-name",
    guard: "a Job's name follows from its attempt, so that the cluster itself refuses a second Job",
    removal: [
      {
        guard: "own-name",
        put: "return `${label(module)}-${Math.floor(Math.random() * 1e9).toString(36)}-${key.sequenceNumber.toString(36)}-${attempt}`;",
      },
    ],
    scenario: {
      story: "the replica dies when it has created the Job",
      async play({ script, send }) {
        const creating = script.catch("create a job", "after");
        await send("success");
        (await creating).kill();
      },
    },
    finds: ["doubled"],
    shows: "attempt 1 starts twice",
  },
  {
    name: "tombstone",
    guard: "an attempt's Job stays when the attempt is over, so that its name stays taken",
    removal: [{ guard: "tombstone", put: "ttlSecondsAfterFinished: 0" }],
    scenario: {
      story:
        "a replica freezes before it creates the Job of attempt 1, and wakes when another replica has started attempt 2",
      play: startLate,
    },
    finds: ["doubled"],
    shows: "attempt 1 starts twice",
  },
  {
    name: "fresh-row",
    guard:
      "a Job is created only if its row was read within the last minute, because an old Job does not keep its name taken for ever",
    removal: [{ guard: "fresh-row", put: "" }],
    // The story would have to wait for a minute.
    without: [{ constant: "MAX_ROW_AGE_MS", put: "5_000" }],
    scenario: {
      story:
        "a replica freezes between the row and the Job, and wakes when attempt 1 is over, its Job is deleted and attempt 2 has started",
      async play({ script, cluster, send, until }) {
        const freezing = script.catch("defer a delivery", "after", { freeze: true });
        await send("retry");
        const frozen = await freezing;
        const { jobs } = await until("attempt 2 starts", (records) => starts(records, 2) === 1);
        for (const { name } of jobs.filter(({ name: one }) => one.endsWith("-1"))) await cluster.deleteJob(name);
        await until("the tombstone is gone", (records) => !records.jobs.some(({ name }) => name.endsWith("-1")));
        frozen.goOn();
      },
    },
    finds: ["doubled"],
    shows: "attempt 1 starts twice",
  },
  {
    name: "adopt-ours",
    guard: "a Job that has the attempt's name is adopted only if it belongs to this attempt",
    removal: [{ guard: "adopt-ours", put: "const ours = true;" }],
    scenario: {
      story: "a person copies another run's Job and gives the copy the name that the attempt needs",
      async play({ script, cluster, send, until }) {
        const creating = script.catch("create a job", "before");
        await send("success");
        const caught = await creating;
        const { key, name } = firstJobOf(await until("the row is there", ({ open }) => open.length === 1));
        const annotations = identityAnnotations({ ...key, sequenceNumber: key.sequenceNumber + 1 });
        await cluster.create(
          handMadeJob(name, { labels: identityLabels(INSTANCE, { module: "succeed", attempt: 1 }), annotations }),
        );
        caught.goOn();
      },
      // The taken name counts as an interruption, and the app leaves the person's Job alone.
      forgives: ({ what, about }) => what.startsWith("1 interruptions") || about.startsWith("succeed-"),
    },
    finds: ["lost"],
    shows: "the message is completed, and its work was never done",
  },
  {
    name: "adopted-elsewhere",
    guard: "a replica that created a Job leaves it at work if another replica has recorded it",
    removal: [{ guard: "adopted-elsewhere", put: "" }],
    scenario: {
      story: "a replica freezes before it records its Job, and wakes when another replica has adopted the Job",
      async play({ script, send, until }) {
        const freezing = script.catch("update a run to dispatched", "before", { freeze: true });
        await send("stubborn");
        const frozen = await freezing;
        await until("the other replica adopts it", ({ open }) => open[0]?.status === "dispatched");
        frozen.goOn();
      },
      async alsoFinds({ job }, { jobs }): Promise<Finding[]> {
        const [first] = jobs.filter(({ name }) => name.endsWith("-1"));
        if (first === undefined || (await job(first.name)).spec?.activeDeadlineSeconds !== 1) return [];
        return [{ kind: "wrong", about: first.name, what: "it was ended while it was at work" }];
      },
    },
    finds: ["wrong"],
    shows: "a Job at work is ended",
  },
  {
    name: "record-on-fresh-row",
    guard:
      "a replica that created a Job, and finds its run in line for that attempt, records the Job, because no tick reads the line without a free slot",
    removal: [{ guard: "record-on-fresh-row", put: 'return { kind: "moved on" };' }],
    without: [NO_FOLLOW_UNSPOKEN],
    scenario: {
      story:
        "a replica freezes before it creates a Job, another one gives the only slot away and puts the run in line, and the first one wakes",
      async play(scene) {
        (await takeItsSlot(scene)).goOn();
        await watchFirst(scene);
      },
      alsoFinds: findLate,
    },
    finds: ["wrong"],
    shows: "a Job is followed only when a slot comes free",
  },
  {
    name: "follow-unspoken",
    guard: "a tick adopts a Job whose run waits for that very attempt, though no slot is free",
    removal: [NO_FOLLOW_UNSPOKEN],
    scenario: {
      story:
        "a replica freezes before it creates a Job, another one gives the only slot away and puts the run in line, and the first one wakes and dies before it records the Job",
      async play(scene) {
        const frozen = await takeItsSlot(scene);
        const created = scene.script.catch("create a job", "after", { replica: frozen.replica });
        frozen.goOn();
        (await created).kill();
        await watchFirst(scene);
      },
      alsoFinds: findLate,
    },
    finds: ["wrong"],
    shows: "a Job is followed only when a slot comes free",
  },
  {
    name: "end-what-came-too-late",
    guard: "a replica ends the Job that it created if the run has moved on meanwhile",
    removal: [{ guard: "end-what-came-too-late", put: "" }],
    without: [NO_ORPHAN_JOBS],
    scenario: {
      ...CREATED_TOO_LATE,
      // The second line of defence is taken out, so the Job is never retired.
      forgives: ({ what, about }, records) =>
        isAbout("success-1", about, records) || what.startsWith("a Job that is not retired"),
      async alsoFinds({ job }, { jobs }): Promise<Finding[]> {
        const found = await Promise.all(jobs.map(({ name }) => job(name)));
        return found
          .filter(({ spec }) => spec?.activeDeadlineSeconds !== 1)
          .map(({ metadata }) => ({
            kind: "wrong",
            about: metadata?.name ?? "",
            what: "its run is closed, and it was not ended",
          }));
      },
    },
    finds: ["wrong"],
    shows: "a Job goes on although its run is closed",
  },
  {
    name: "orphan-jobs",
    guard:
      "a tick follows each Job that no run at work speaks of to its run, and ends and retires it if the run is closed or past its attempt",
    removal: [NO_ORPHAN_JOBS],
    scenario: CREATED_TOO_LATE,
    finds: ["orphan"],
    shows: "a Job is never retired",
  },
];
