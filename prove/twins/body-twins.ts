import { NO_ORPHAN_BODIES, type Twin } from "./twin.ts";

/** The guards of the bodies in the blob store: no body outlives its run, and no URL of a body gets out. */
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
      story: "the replica dies when it has closed a run whose body is in the blob store",
      replicas: 1,
      async play({ script, send }) {
        const closing = script.catch("close a run", "after");
        await send("big");
        (await closing).kill();
      },
    },
    finds: ["orphan"],
    shows: "a body stays behind for ever",
  },
  {
    name: "orphan-bodies",
    guard: "the housekeeping finds bodies whose run is closed, and deletes them",
    removal: [NO_ORPHAN_BODIES],
    scenario: {
      story: "a replica freezes before it stores a body, and wakes when another replica has closed the run",
      async play({ script, send, until }) {
        const freezing = script.catch("store a body", "before", { freeze: true });
        await send("big");
        const frozen = await freezing;
        await until("the run closes", ({ closed }) => closed.length === 1);
        frozen.goOn();
      },
    },
    finds: ["orphan"],
    shows: "a body stays behind for ever",
  },
  {
    name: "no-signatures",
    guard: "texts of workers and servers are stored without the signatures of URLs",
    removal: [{ guard: "no-signatures", put: "return text;" }],
    scenario: {
      story: "a server refuses a Job and quotes it, and the last words of the Job's worker are the URL of its body",
      async play({ script, send }) {
        script.answer("create a job", 500);
        await send("says its URL");
      },
    },
    finds: ["leak"],
    shows: "the signature of a body's URL is in log lines, in a row and on a dead letter",
  },
];
