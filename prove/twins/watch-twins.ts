import type { GuardEdit } from "./edit.ts";
import { handMadeJob } from "./hand-made-job.ts";
import { starts } from "./scene.ts";
import type { Twin } from "./twin.ts";

const NO_LOOK: GuardEdit = { guard: "slow-absence-of-jobs", put: "" };

/** What guards the way in which Jobs are seen, and put away. */
export const WATCH_TWINS: readonly Twin[] = [
  {
    name: "slow-absence-of-jobs",
    guard: "a Job that the list doesn't show is looked for by its name before it is missed",
    removal: [NO_LOOK],
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
    shows: "the work is done twice",
  },
  {
    name: "rows-before-jobs",
    guard: "a tick reads the rows first and lists the Jobs after: a Job that a row speaks of is in the list",
    removal: [
      { guard: "rows-before-jobs, rows", put: (codeAt) => codeAt("rows-before-jobs, jobs") },
      { guard: "rows-before-jobs, jobs", put: (codeAt) => codeAt("rows-before-jobs, rows") },
    ],
    without: [NO_LOOK],
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
    shows: "the work is done twice",
  },
  {
    name: "mass-absence",
    guard: "where many Jobs are missing at once, none of the absences is believed",
    removal: [{ guard: "mass-absence", put: "return false;" }],
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
        script.repeat("list the jobs", empty, 6);
        script.lie("read a job", 404, { times: Number.POSITIVE_INFINITY });
        for (const tick of held) tick.goOn();
        await until("six ticks have looked", () => script.lies === 1);
        script.tellTruth();
      },
    },
    finds: ["doubled", "wrong"],
    shows: "every one of twelve runs counts interruptions, and is done again",
  },
  {
    name: "terminal-conditions",
    guard: "an attempt is over when its Job is Complete or Failed, not when a condition says how it will end",
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
        put: `const failed = (job.status?.conditions ?? []).find(
          ({ type, status }) => status === "True" && ["Failed", "FailureTarget"].includes(type),
        );`,
      },
    ],
    scenario: {
      story: "somebody ends a Job whose worker takes its time to go",
      async play({ endJob, send, until }) {
        await send("stubborn");
        const { jobs } = await until("it is at work", (books) => starts(books, 1) === 1);
        for (const { name } of jobs) await endJob(name);
        await until("attempt 2 starts", (books) => starts(books, 2) === 1);
      },
      // As what it counts is the cluster's word.
      forgives: ({ what }) => what.includes(" counted"),
      alsoFinds: async (_scene, { ledger }) => {
        const firstEnds = ledger.findIndex(({ what, attempt }) => what === "end" && attempt === 1);
        const secondStarts = ledger.findIndex(({ what, attempt }) => what === "start" && attempt === 2);
        if (firstEnds >= 0 && firstEnds < secondStarts) return [];
        return [{ verdict: "doubled", about: "stubborn-1", what: "attempt 2 started while attempt 1 was at work" }];
      },
    },
    finds: ["doubled"],
    shows: "attempt 2 starts while attempt 1 is at work",
  },
  {
    name: "uid",
    guard: "a Job is patched only if it is the very one that was looked at",
    removal: [{ guard: "uid", put: "...{}" }],
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
        await cluster.create(handMadeJob(name));
        held.goOn();
      },
      forgives: ({ what }) => what === "a job that is not retired, of ",
      alsoFinds: async (_scene, { jobs }) =>
        jobs
          .filter(({ isRetired }) => isRetired)
          .map(({ name }) => ({ verdict: "wrong", about: name, what: "a Job of somebody else's was retired" })),
    },
    finds: ["wrong"],
    shows: "somebody else's Job is marked as settled",
  },
];
