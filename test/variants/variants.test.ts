import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import type { Edge } from "../../prove/faults/edges.ts";
import { KIND_NAMES } from "../../prove/stage/kinds.ts";
import { buildApp } from "../../prove/twins/build-app.ts";
import { BY_FUNCTIONS_HOST } from "../../prove/twins/edit.ts";
import { play } from "../../prove/twins/run-twin.ts";
import type { Scene } from "../../prove/twins/scene.ts";
import type { Script } from "../../prove/twins/script.ts";

// Messages of every kind go through the whole app: they are accepted or rejected, their Jobs succeed, fail, are tried
// again, time out, or are cancelled, and they are completed or dead-lettered. The audit of the proof compares what is
// left in bus, table, blobs and cluster, and what the workers wrote, with what each kind demands.
//
// The watch and the settlement of a delivery on its own link only make the app faster. So the same has to come of each
// message if the app has one of them, both, or neither, or loses them on the way.

const FOR_EVER = { times: Number.POSITIVE_INFINITY };
const PATIENCE_MS = 90_000;
const HOST_CALLS = [
  "look for the host's settlements",
  "have the host defer",
  "have the host complete",
  "have the host dead-letter",
] as const;
/** The status of gRPC with which a host answers that has no such service. */
const UNIMPLEMENTED = 12;

interface Variant {
  readonly name: string;
  /** Builds the app as it is, or as a Functions host runs it. */
  readonly app: () => Promise<string>;
  /** Takes away what the app never has. */
  readonly begin?: (script: Script) => void;
  /** Takes away what the app loses while the first half of the messages is under way. */
  readonly halfway?: (scene: Scene) => void;
  /** Calls that the app made and that reached their server. */
  readonly made: readonly Edge[];
  /** Calls that it did not make, or that never reached their server. */
  readonly notMade: readonly Edge[];
}

const asItIs = async () => join(PROJECT_ROOT, "dist/functions/index.js");
const inFunctionsHost = () => buildApp([BY_FUNCTIONS_HOST]);

const WATCHES = ["watch the jobs", "watch the pods"] as const;

const VARIANTS: readonly Variant[] = [
  {
    name: "as it is",
    app: asItIs,
    made: [...WATCHES, "defer a delivery", "dead-letter a delivery"],
    notMade: [],
  },
  {
    name: "without the right to watch",
    app: asItIs,
    begin(script) {
      for (const edge of WATCHES) script.answer(edge, 403, FOR_EVER);
    },
    made: ["defer a delivery", "dead-letter a delivery"],
    notMade: WATCHES,
  },
  {
    name: "without the right to watch pods",
    app: asItIs,
    begin: (script) => script.answer("watch the pods", 403, FOR_EVER),
    made: ["watch the jobs", "defer a delivery", "dead-letter a delivery"],
    notMade: ["watch the pods"],
  },
  {
    name: "without the host's Settlement service",
    app: inFunctionsHost,
    begin(script) {
      for (const edge of HOST_CALLS) script.answer(edge, UNIMPLEMENTED, FOR_EVER);
    },
    made: ["watch the jobs", "defer a message", "reject a message"],
    notMade: [...HOST_CALLS, "defer a delivery", "dead-letter a delivery"],
  },
  {
    name: "with both cut off half-way",
    app: inFunctionsHost,
    halfway({ script, disconnect }) {
      for (const edge of WATCHES) script.answer(edge, 403, FOR_EVER);
      for (const edge of HOST_CALLS) script.refuse(edge, "silence", Number.POSITIVE_INFINITY);
      disconnect("cluster");
    },
    made: ["watch the jobs", "have the host defer", "defer a message", "reject a message"],
    notMade: [],
  },
];

describe.concurrent("the app takes messages of every kind to their ends", () => {
  it.each(VARIANTS)("$name", { timeout: 180_000 }, async ({ app, begin, halfway, made, notMade }) => {
    const reached = new Map<Edge, number>();
    const { findings } = await play(
      {
        ...(begin === undefined ? {} : { begin }),
        replicas: 1,
        async play(scene) {
          const half = Math.ceil(KIND_NAMES.length / 2);
          // What has been carried out stays so, but a Job may be over before anybody looks.
          const carriedOut = (what: string, edge: Edge) => scene.until(what, () => scene.script.carriedOut(edge) > 0);
          if (made.includes("watch the jobs")) await carriedOut("the Jobs are watched", "watch the jobs");
          for (const kind of KIND_NAMES.slice(0, half)) await scene.send(kind);
          await carriedOut("some are under way", "create a job");
          halfway?.(scene);
          for (const kind of KIND_NAMES.slice(half)) await scene.send(kind);
          await scene.until("all have ended", ({ open, bus }) => open.length === 0 && bus.length === 0);
          for (const edge of [...made, ...notMade]) reached.set(edge, scene.script.carriedOut(edge));
        },
      },
      { apps: [await app()] },
      PATIENCE_MS,
      () => {},
    );
    expect(findings).toEqual([]);
    expect(made.filter((edge) => reached.get(edge) === 0)).toEqual([]);
    expect(notMade.filter((edge) => (reached.get(edge) ?? 0) > 0)).toEqual([]);
  });
});
