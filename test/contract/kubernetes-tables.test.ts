import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UnavailableError } from "../../shared/errors.ts";
import { phaseOf } from "../../shared/observe/cluster-view.ts";
import type { JobListing, PodListing } from "../../shared/ports/job-cluster.ts";
import { aModule } from "../support/a-module.ts";
import { aRun, T0 } from "../support/a-run.ts";
import { clusterAt } from "../support/cluster-at.ts";
import { sendAnswer, sendHalfAnswer } from "../support/kubernetes-answer.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

// `test/fixtures/kubernetes/README.md` says what these files are.
const TABLES = "test/fixtures/kubernetes/tables";
const releases = readdirSync(TABLES).map((release) => ({ release, minor: Number(release.split(".")[1]) }));

/** What the app has to make of each Job of `print/cases.js` in a release. */
function jobStates(minor: number): Record<string, JobListing["state"]> {
  return {
    new: "active",
    "pod-not-ready": "active",
    "pod-ready": "active",
    suspended: "suspended",
    "failure-target": "terminating",
    failed: "failed",
    // Before 1.34 the word is `Running`. The condition is there, so that a look at the Job tells.
    "success-criteria-met": minor < 34 ? "active" : "terminating",
    complete: "complete",
    deleted: "terminating",
    "deleted-after-its-end": "complete",
  };
}

/** What the list shows of a pod: `look` means that only a look at the Job itself tells. */
type Shown = "pending" | "look" | "running";

/**
 * What the app has to make of each pod of `print/cases.js` in every release: first of a Job that was made a moment ago,
 * then of one that is past its start timeout.
 */
const POD_PHASES: Record<string, readonly [Shown, Shown]> = {
  "without-a-scheduler": ["pending", "look"],
  "no-node-fits": ["pending", "look"],
  "scheduling-gated": ["pending", "look"],

  "container-creating": ["pending", "look"],
  "image-pull-back-off": ["look", "look"],
  "err-image-pull": ["look", "look"],
  "invalid-image-name": ["look", "look"],
  "err-image-never-pull": ["look", "look"],
  "create-container-config-error": ["look", "look"],
  "create-container-error": ["look", "look"],
  "run-container-error": ["look", "look"],
  "crash-loop-back-off": ["pending", "look"],

  "init-first-of-one": ["pending", "look"],
  "init-second-of-two": ["pending", "running"],
  "init-image-pull-back-off": ["look", "look"],
  "init-create-container-config-error": ["look", "look"],
  "init-failed": ["pending", "look"],
  "init-oom-killed": ["pending", "look"],
  "init-ended": ["pending", "look"],

  "sidecar-starting": ["pending", "look"],
  "second-sidecar-starting": ["pending", "look"],
  "sidecar-image-pull-back-off": ["look", "look"],
  "sidecar-crash-loop-back-off": ["pending", "look"],
  "sidecar-beside-init": ["pending", "look"],
  "sidecar-beside-second-init": ["pending", "running"],
  "sidecar-started": ["pending", "look"],
  "sidecar-beside-running": ["running", "running"],
  "sidecar-crash-loops-beside-running": ["pending", "look"],
  "sidecar-beside-image-pull-back-off": ["look", "look"],
  "sidecar-beside-completed": ["pending", "look"],
  "sidecar-beside-failed": ["pending", "look"],
  "sidecar-beside-oom-killed": ["pending", "look"],

  running: ["running", "running"],
  "running-not-ready": ["running", "running"],
  "first-ended": ["running", "running"],
  "first-failed": ["pending", "look"],
  "second-failed": ["pending", "look"],
  "second-image-pull-back-off": ["look", "look"],
  // The words are those of a pod that is well, and one of its containers can't start.
  "first-ended-second-image-pull-back-off": ["pending", "look"],
  "first-ended-second-image-pull-back-off-third-runs": ["pending", "look"],

  deleted: ["pending", "look"],
  "deleted-on-a-lost-node": ["pending", "look"],

  // The app doesn't ask for pods that have ended, and must not take one for a pod at work.
  completed: ["pending", "look"],
  failed: ["pending", "look"],
  "failed-without-a-reason": ["pending", "look"],
  "oom-killed": ["pending", "look"],
  "deadline-exceeded": ["pending", "look"],
  evicted: ["pending", "look"],
  "unexpected-admission-error": ["pending", "look"],
  "deleted-after-its-end": ["pending", "look"],
};

const LATE_MS = aModule().startTimeoutMs + 1_000;

/** What the list of these pods shows of the Job of one of them, at an age in ms. */
function showing(pods: readonly PodListing[]) {
  const view = {
    jobs: new Map(pods.map(({ jobName }) => [jobName, { name: jobName, state: "active" } as const])),
    pods: new Map(pods.map((pod) => [pod.jobName, pod])),
    cancelled: new Set<string>(),
  };
  return (jobName: string, age: number, mayProve = false): Shown => {
    const run = aRun({ dispatchedAt: T0 });
    const seen = phaseOf(run, jobName, view, { module: aModule(), now: T0 + age, mayProve });
    if (seen.phase === "pending") return seen.suspect ? "look" : "pending";
    if (seen.phase === "running") return "running";
    throw new Error(`${jobName} is ${seen.phase}`);
  };
}

/** A server of this release, which has the Jobs and pods of `print/cases.js`. */
function startServerOf(release: string): Promise<string> {
  return startLoopbackServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
    const withMetadata = searchParams.get("includeObject") === "Metadata" ? "-with-metadata" : "";
    const file = pathname.endsWith("/jobs") ? `jobs${withMetadata}.json` : "pods.json";
    response.writeHead(200, { "content-type": "application/json" }).end(readFileSync(join(TABLES, release, file)));
  });
}

describe.each(releases)("the tables that Kubernetes $release prints", ({ release, minor }) => {
  test("tell the state of every Job", async () => {
    const { jobs } = await clusterAt(await startServerOf(release)).listJobs();
    expect(Object.fromEntries(jobs.map(({ name, state }) => [name, state]))).toEqual(jobStates(minor));
    expect(jobs.filter(({ unknownStatus }) => unknownStatus !== undefined)).toEqual([]);
  });

  test("tell which pods run, and which Jobs need a look", async () => {
    const { pods } = await clusterAt(await startServerOf(release)).listPods();
    const shown = showing(pods);
    const phases = pods.map(({ jobName }) => [jobName, [shown(jobName, 1_000), shown(jobName, LATE_MS)]]);
    expect(Object.fromEntries(phases)).toEqual(POD_PHASES);
  });

  test("tell which Jobs need a look at once if they may prove that their module is well", async () => {
    const { pods } = await clusterAt(await startServerOf(release)).listPods();
    const shown = showing(pods);
    const looked = pods.flatMap(({ jobName }) =>
      shown(jobName, 1_000, true) === shown(jobName, 1_000, false) ? [] : jobName,
    );
    expect(looked).toEqual([
      "init-first-of-one",
      "init-second-of-two",
      "sidecar-starting",
      "second-sidecar-starting",
      "sidecar-beside-init",
      "sidecar-beside-second-init",
      ...(minor < 35 ? ["second-failed"] : []),
      "first-ended-second-image-pull-back-off-third-runs",
    ]);
  });

  test("tell how many Jobs have ended and how many are new", async () => {
    const cluster = clusterAt(await startServerOf(release));
    const all = Object.keys(jobStates(minor)).length;
    expect(await cluster.count(T0, 1_000)).toEqual({ finished: 3, recent: all });
    expect(await cluster.count(T0 + 1, 1_000)).toEqual({ finished: 3, recent: 0 });
  });
});

describe("a table that no release prints so far", () => {
  /** A server that answers every list with this table. */
  const startServerWith = (name: string) => startLoopbackServer((_request, response) => sendAnswer(response, name));

  test("has Jobs at work for those whose status is an unknown word, and says the word", async () => {
    expect((await clusterAt(await startServerWith("table-unknown-words")).listJobs()).jobs).toEqual([
      { name: "a", state: "complete" },
      { name: "b", state: "active", unknownStatus: "Resting" },
      { name: "c", state: "active", unknownStatus: "" },
      { name: "d", state: "active", unknownStatus: "" },
      { name: "e", state: "active", unknownStatus: "" },
      { name: "f", state: "active", unknownStatus: "constructor" },
    ]);
  });

  // https://github.com/kubernetes/kubernetes/issues/138366 asks for this word while the Job's pod is not ready.
  test("has a `Pending` Job looked at, and no other", async () => {
    const { jobs } = await clusterAt(await startServerWith("table-pending-job")).listJobs();
    const view = { jobs: new Map(jobs.map((job) => [job.name, job])), pods: new Map(), cancelled: new Set<string>() };
    const seen = jobs.map(({ name }) =>
      phaseOf(aRun({ dispatchedAt: T0 }), name, view, { module: aModule(), now: T0 }),
    );
    expect(seen).toEqual([
      { phase: "pending", suspect: true },
      { phase: "pending", suspect: false },
    ]);
  });

  test("may have other columns, in any order", async () => {
    expect((await clusterAt(await startServerWith("table-columns-moved")).listJobs()).jobs).toEqual([
      { name: "a", state: "complete" },
    ]);
  });

  test("is from a server that is too old if Jobs have no status", async () => {
    const error: unknown = await clusterAt(await startServerWith("table-without-status"))
      .listJobs()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain("Upgrade the cluster to Kubernetes 1.31 or later.");
  });

  test("says nothing about a pod without status or readiness, so that only a look tells", async () => {
    const {
      pods: [pod],
    } = await clusterAt(await startServerWith("table-without-status")).listPods();
    expect(pod).toMatchObject({ name: "a", status: "", ready: 0, containers: 0 });
  });

  test("is no list of Jobs or pods if it has no names", async () => {
    const cluster = clusterAt(await startServerWith("table-without-name"));
    for (const list of await Promise.allSettled([cluster.listJobs(), cluster.listPods(), cluster.listCancelled()])) {
      expect(list).toMatchObject({ status: "rejected", reason: { name: "UnavailableError" } });
      expect(list.status === "rejected" && String(list.reason)).toContain("without their names");
    }
  });

  test("counts no Job as new if its row has no metadata, though they were asked for", async () => {
    expect(await clusterAt(await startServerWith("table-unknown-words")).count(T0, 100)).toEqual({
      finished: 1,
      recent: 0,
    });
  });
});

describe("a list of two pages", () => {
  const isSecond = (url = "") => new URL(url, "http://server").searchParams.get("continue") === "page-2";

  test("is believed whole or not at all: it is an outage if the second page is cut off", async () => {
    const server = await startLoopbackServer(({ url }, response) =>
      isSecond(url) ? sendHalfAnswer(response, "table-second-page") : sendAnswer(response, "table-first-page"),
    );
    await expect(clusterAt(server).listJobs()).rejects.toThrow(UnavailableError);
    await expect(clusterAt(server).listPods()).rejects.toThrow(UnavailableError);
  });

  test("begins again if the server forgot its version in between, and doesn't take the token that leaves Jobs out", async () => {
    const asked: boolean[] = [];
    const server = await startLoopbackServer(({ url }, response) => {
      asked.push(isSecond(url));
      if (asked.length === 2) sendAnswer(response, "continue-expired");
      else sendAnswer(response, isSecond(url) ? "table-second-page" : "table-first-page");
    });
    const { jobs } = await clusterAt(server).listJobs();
    expect(jobs.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(asked).toEqual([false, true, false, true]);
  });
});
