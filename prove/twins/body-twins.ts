import { NO_ORPHAN_BODIES, type Twin } from "./twin.ts";

/** What guards the bodies in the blob store, so that none outlives its run, and none can be read by others. */
export const BODY_TWINS: readonly Twin[] = [
  {
    name: "body-before-row",
    guard: "a run's body is deleted before its row is closed",
    removal: [
      { guard: "body-before-row, body", put: (codeAt) => codeAt("body-before-row, row") },
      { guard: "body-before-row, row", put: (codeAt) => codeAt("body-before-row, body") },
    ],
    without: [NO_ORPHAN_BODIES],
    scenario: {
      story: "the Dispatcher dies when a run is closed whose body is in the blob store",
      processes: 1,
      async play({ script, send }) {
        const closing = script.catch("close a run", "after");
        await send("big");
        (await closing).kill();
      },
    },
    finds: ["orphan"],
    shows: "a body that nobody comes back for",
  },
  {
    name: "orphan-bodies",
    guard: "a body whose run is closed is looked for, and deleted",
    removal: [NO_ORPHAN_BODIES],
    scenario: {
      story: "a Dispatcher falls asleep before it stores a body, and wakes when another one has closed the run",
      async play({ script, send, until }) {
        const asleep = script.catch("store a body", "before", { asleep: true });
        await send("big");
        const sleeper = await asleep;
        await until("the run closes", ({ closed }) => closed.length === 1);
        sleeper.goOn();
      },
    },
    finds: ["orphan"],
    shows: "a body that nobody comes back for",
  },
  {
    name: "no-signatures",
    guard: "what a worker or a server says is kept without the signatures of URLs",
    removal: [{ guard: "no-signatures", put: "return text;" }],
    scenario: {
      story: "a server refuses a Job and quotes it, and the last words of its worker are the URL of its body",
      async play({ script, send }) {
        script.lie("create a job", 500);
        await send("says its URL");
      },
    },
    finds: ["leak"],
    shows: "the signature of a body's URL in lines, a row and a dead letter",
  },
];
