import type { V1Job } from "@kubernetes/client-node";
import type { Finding, Records } from "../audit/audit.ts";
import type { GuardEdit } from "./edit.ts";
import { elsewhere } from "./elsewhere.ts";
import { handMadeJob } from "./hand-made-job.ts";
import { type Scene, starts } from "./scene.ts";
import type { Twin } from "./twin.ts";

/** The columns of a table of Jobs, as far as the app reads them. */
const COLUMNS = [{ name: "Name" }, { name: "Status" }];

/** Makes a table that shows a Job, with this status. */
function tableOf({ metadata }: V1Job, status: string): object {
  const object = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
  const rows = [{ cells: [metadata?.name, status], object }];
  return { kind: "Table", metadata: { resourceVersion: "1" }, columnDefinitions: COLUMNS, rows };
}

function answerOf(body: object): object {
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: Buffer.from(`${JSON.stringify(body)}\n`),
  };
}

/** Finds two Jobs of the module with one slot that were at work at the same time. */
async function twoInOneSlot(_scene: Scene, { ledger }: Records): Promise<Finding[]> {
  let atWork = 0;
  for (const { what } of ledger) {
    if (what === "start") atWork += 1;
    if (what === "end") atWork -= 1;
    if (atWork > 1) return [{ kind: "wrong", about: "one-at-a-time", what: "two Jobs were at work in one slot" }];
  }
  return [];
}

/** No version of Kubernetes prints this. */
const UNKNOWN_STATUS = "Dreaming";

/** Whether the retired Job was looked at, in the story of `passes-over-deleted` that is told now. */
let isLookedAt = false;

const NO_LOOK: GuardEdit = { guard: "slow-absence-of-jobs", put: "" };

/** The guards of the way in which Jobs are looked at and retired. */
export const WATCH_TWINS: readonly Twin[] = [
  {
    name: "slow-absence-of-jobs",
    guard: "a Job that the list doesn't show counts as absent only if a read by its name doesn't find it either",
    removal: [NO_LOOK],
    scenario: {
      story: "the tick gets an old list of Jobs, in which the Job of a run is missing",
      async play({ script, send, until }) {
        const empty = await script.listen("list the jobs");
        const dispatching = script.catch("update a run to dispatched", "after");
        await send("success");
        const caught = await dispatching;
        script.repeat("list the jobs", empty, 4);
        caught.goOn();
        await until("the lists are read", () => script.answersLeft === 0);
      },
    },
    finds: ["doubled"],
    shows: "the work is done twice",
  },
  {
    name: "rows-before-jobs",
    guard: "a tick reads the rows before it lists the Jobs, so that the list has every Job that a row speaks of",
    removal: [
      { guard: "rows-before-jobs, rows", put: (codeAt) => codeAt("rows-before-jobs, jobs") },
      { guard: "rows-before-jobs, jobs", put: (codeAt) => codeAt("rows-before-jobs, rows") },
    ],
    without: [NO_LOOK],
    scenario: {
      story: "a Job is started while a tick is between reading the rows and listing the Jobs",
      async play({ script, send, until }) {
        const caught = await script.catch("list the jobs", "after");
        await send("success");
        await until("it is started", ({ open, closed }) => closed.length > 0 || open[0]?.status === "dispatched");
        caught.goOn();
      },
    },
    finds: ["doubled"],
    shows: "the work is done twice",
  },
  {
    name: "full-ticks-believe-absence",
    guard: "only a tick that has listed the Jobs believes that a Job is gone, and a wake never does",
    removal: [{ guard: "full-ticks-believe-absence", put: "" }],
    isWatched: true,
    scenario: {
      story: "a watch tells an unknown word of a Job at work, and an API server that lags behind does not have the Job",
      async play({ script, send, until, job }) {
        await send("stubborn");
        const { jobs } = await until("it is at work", (records) => starts(records, 1) === 1);
        const seen = await job(jobs[0]?.name ?? "");
        script.answer("read a job", 404, { times: 2 });
        script.repeat("glance at a job", answerOf(tableOf(seen, UNKNOWN_STATUS)), Number.POSITIVE_INFINITY);
        script.repeat("watch the jobs", answerOf({ type: "MODIFIED", object: tableOf(seen, UNKNOWN_STATUS) }), 2);
        await until("both replicas have looked", () => script.answersLeft === 1);
        script.stopAnswering();
      },
    },
    finds: ["doubled", "wrong"],
    shows: "an interruption is counted, and the next attempt starts while the Job is at work",
  },
  {
    name: "passes-over-deleted",
    guard: "a watch wakes nothing if a Job leaves the list, because each Job that is retired does so",
    removal: [{ guard: "passes-over-deleted", put: "const job = row && toJobListing(row);" }],
    isWatched: true,
    scenario: {
      story: "a message is done, and a watch tells that its Job, which is retired, has left the list",
      replicas: 1,
      async play({ script, send, until, job }) {
        await send("success");
        const { jobs } = await until("it is done", ({ closed }) => closed.length === 1);
        const retired = await job(jobs[0]?.name ?? "");
        isLookedAt = false;
        void script.catch("glance at a job", "before").then((look) => {
          isLookedAt = true;
          look.goOn();
        });
        script.repeat("watch the jobs", answerOf({ type: "DELETED", object: tableOf(retired, "Complete") }), 1);
        await until("the watch has told it", () => script.answersLeft === 0);
        // What a watch wakes is over before the tick after the next one begins.
        for (let ticks = 0; ticks < 2; ticks += 1) (await script.catch("record the tick", "before")).goOn();
      },
      alsoFinds: async () =>
        isLookedAt ? [{ kind: "doubled", about: "success-1", what: "its Job was looked at after it was retired" }] : [],
    },
    finds: ["doubled"],
    shows: "each Job is looked at once more after it is retired",
  },
  {
    name: "place-moves-with-its-write",
    guard: "the slot of a Job that is over goes to the next run by the process alone whose write said so",
    removal: [
      { guard: "place-moves-with-its-write", put: "" },
      {
        guard: "verdict-first, verdict",
        put: "const stored = await deps.table.update(item.stored, next).finally(() => item.slots.vacate(next));",
      },
    ],
    isWatched: true,
    scenario: {
      story: "two replicas hear of a Job's end, and one of them records it while the other is about to",
      // The Job ends in the middle of a watch, so that both hear of it in time to start something.
      tickSeconds: 10,
      async play({ script, send, until }) {
        await script.catch("list what comes due", "before", { replica: 1 }).then((tick) => tick.goOn());
        const recording = script.catch("update a run to settling", "before", { replica: 1 });
        await send("one at a time");
        await until("the first one is at work", (records) => starts(records, 1) === 1);
        const ticks = [0, 1].map((replica) => script.catch("list what comes due", "before", { replica }));
        for (const tick of await Promise.all(ticks)) tick.goOn();
        for (let count = 0; count < 2; count += 1) await send("one at a time");
        await until(
          "the others are in line",
          ({ open }) => open.filter(({ status }) => status === "waiting").length === 2,
        );
        const caught = await recording;
        await until("the second one has its Job", ({ open }) => open.some(({ status }) => status === "dispatched"));
        caught.goOn();
      },
      alsoFinds: twoInOneSlot,
    },
    finds: ["wrong"],
    shows: "both replicas fill the one slot",
  },
  {
    name: "mass-absence",
    guard: "if many Jobs are absent at once, no absence is believed",
    removal: [{ guard: "mass-absence", put: "return false;" }],
    scenario: {
      story:
        "while twelve Jobs are at work, the cluster is restored from a backup that has no such Jobs, and then put right",
      async play({ script, send, until }) {
        const empty = await script.listen("list the jobs");
        const ticks = [0, 1].map((replica) => script.catch("list the jobs", "before", { replica }));
        const caught = await Promise.all(ticks);
        for (let count = 0; count < 12; count += 1) await send("success");
        await until(
          "all have their Jobs",
          ({ open }) => open.filter(({ status }) => status === "dispatched").length === 12,
        );
        script.repeat("list the jobs", empty, 6);
        script.answer("read a job", 404, { times: Number.POSITIVE_INFINITY });
        for (const tick of caught) tick.goOn();
        await until("six ticks have looked", () => script.answersLeft === 1);
        script.stopAnswering();
      },
    },
    finds: ["doubled", "wrong"],
    shows: "all twelve runs count interruptions, and are done again",
  },
  {
    name: "cluster-identity",
    guard: "nothing is started, judged or retired in a cluster whose namespace has another uid than the recorded one",
    removal: [{ guard: "cluster-identity", put: "" }],
    scenario: {
      story: "while three Jobs are at work, another cluster answers for a while, and it has no such Jobs",
      async play({ script, send, until }) {
        const namespace = await script.listen("look at the namespace");
        const empty = await script.listen("list the jobs");
        const ticks = [0, 1].map((replica) => script.catch("list the jobs", "before", { replica }));
        const caught = await Promise.all(ticks);
        for (let count = 0; count < 3; count += 1) await send("success");
        await until(
          "all have their Jobs",
          ({ open }) => open.filter(({ status }) => status === "dispatched").length === 3,
        );
        script.repeat("list the jobs", empty, 6);
        script.repeat("look at the namespace", elsewhere(namespace), Number.POSITIVE_INFINITY);
        script.answer("read a job", 404, { times: Number.POSITIVE_INFINITY });
        for (const tick of caught) tick.goOn();
        await until("six ticks have looked", () => script.answersLeft === 2);
        script.stopAnswering();
      },
    },
    finds: ["doubled", "wrong"],
    shows: "all three runs count interruptions, and are done again",
  },
  {
    name: "terminal-conditions",
    guard: "an attempt is over when its Job is Complete or Failed, and not when a condition only says how it will end",
    removal: [
      {
        guard: "terminal-conditions, decision",
        put: "function linger(seen: Seen): Decision { return fail(seen); }",
      },
      {
        guard: "terminal-conditions, finish",
        put: `const terminal = (job.status?.conditions ?? []).find(
          ({ type, status }) => status === "True" && ["Complete", "Failed", "FailureTarget"].includes(type),
        );`,
      },
      {
        guard: "terminal-conditions, failure",
        put: `return (job.status?.conditions ?? []).find(
          ({ type, status }) => status === "True" && ["Failed", "FailureTarget"].includes(type),
        );`,
      },
    ],
    scenario: {
      story: "a person ends a Job whose worker takes long to stop",
      async play({ endJob, send, until }) {
        await send("stubborn");
        const { jobs } = await until("it is at work", (records) => starts(records, 1) === 1);
        for (const { name } of jobs) await endJob(name);
        await until("attempt 2 starts", (records) => starts(records, 2) === 1);
        await until("attempt 1 ends", ({ ledger }) =>
          ledger.some(({ what, attempt }) => what === "end" && attempt === 1),
        );
      },
      // The cluster decides whether this end counts as a failure or as an interruption.
      forgives: ({ what }) => what.includes(" counted"),
    },
    finds: ["doubled"],
    shows: "attempt 2 starts while attempt 1 is at work",
  },
  {
    name: "uid",
    guard: "a Job is patched only if it is still the Job that was looked at",
    removal: [{ guard: "uid", put: "...{}" }],
    scenario: {
      story: "before a replica retires a Job, a person deletes it and makes another Job with its name",
      async play({ script, cluster, send, until }) {
        const retiring = script.catch("retire a job", "before");
        await send("success");
        const caught = await retiring;
        const { jobs } = await until("the Job is there", (records) => records.jobs.length === 1);
        const name = jobs[0]?.name ?? "";
        await cluster.deleteJob(name);
        await until("it is gone", (records) => records.jobs.length === 0);
        await cluster.create(handMadeJob(name));
        caught.goOn();
      },
      forgives: ({ what }) => what === "a Job that is not retired, of ",
      alsoFinds: async (_scene, { jobs }) =>
        jobs
          .filter(({ isRetired }) => isRetired)
          .map(({ name }) => ({ kind: "wrong", about: name, what: "a Job that a person made was retired" })),
    },
    finds: ["wrong"],
    shows: "the person's Job is marked as retired",
  },
];
