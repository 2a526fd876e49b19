import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CoreV1Api } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { buildBinaries } from "../../real-cluster/binaries.ts";
import { defaultCacheRoot } from "../../real-cluster/cluster.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import type { LogLine } from "./app-log.ts";
import { type DispatcherUnderTest, type Sent, startDispatcher } from "./dispatcher-under-test.ts";
import { type GhostNode, makeGhostNode, prefersGhost } from "./ghost-node.ts";
import { restricted, sh } from "./module-files.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { letGo, onePod, podsOf, runningPod, UNTIL_LET_GO } from "./pods.ts";

/** Works until it is told to end on the first attempt, and succeeds at once on the others. */
const FIRST_TIME_LONG = `[ "$DISPATCHER_ATTEMPT" = 1 ] || exit 0; ${UNTIL_LET_GO}`;
const BACKOFF = { first: "1s", max: "1s" };
const LONG_AT_FIRST = { retry: { backoff: BACKOFF }, worker: sh(FIRST_TIME_LONG) };
const INTERRUPTED_ONCE = { ...AT_ONCE, attempt: 2, interruptions: 1 };
const GHOSTS = ["off", "removed"];
const WENT_WITH_NODE = /^the cluster took its pod away: /;

function onGhost(node: string): object {
  const spec = { ...prefersGhost(node), containers: [restricted("worker", FIRST_TIME_LONG)] };
  return { retry: { backoff: BACKOFF }, jobTemplate: { spec: { template: { spec } } } };
}

let app: DispatcherUnderTest;
const ghosts = new Map<string, GhostNode>();
const ghostName = (kind: string) => `ghost-${kind}-${process.pid}`;

beforeAll(async () => {
  app = await startDispatcher({
    modules: {
      long: LONG_AT_FIRST,
      always: { retry: { maxInterruptions: 1, backoff: BACKOFF }, worker: sh(UNTIL_LET_GO) },
      drained: LONG_AT_FIRST,
      queued: {
        jobTemplate: {
          spec: { suspend: true, template: { spec: { containers: [restricted("worker", UNTIL_LET_GO)] } } },
        },
      },
      ...Object.fromEntries(GHOSTS.map((kind) => [kind, onGhost(ghostName(kind))])),
    },
  });
  for (const kind of GHOSTS) ghosts.set(kind, await makeGhostNode(app.admin, ghostName(kind)));
});
afterAll(async () => {
  for (const ghost of ghosts.values()) await ghost.remove();
  await app?.close();
});

/** Resolves to the attempt's Job and the pod in which it works. */
async function atWork(sent: Sent, attempt = 1): Promise<{ jobName: string; podName: string }> {
  const jobName = await sent.job(attempt);
  return { jobName, podName: await runningPod(app, jobName) };
}

/** Why the cluster interrupted an attempt, as the app's own log line says. */
async function whyInterrupted(sent: Sent): Promise<string> {
  const isSuch = (line: LogLine) => line.message === "an attempt ended" && line["kind"] === "interruption";
  const line = await app.log.until((line) => isSuch(line) && line["messageId"] === sent.messageId);
  return String(line["why"]);
}

describe.concurrent("an interruption costs a new attempt and no failure:", () => {
  test("the pod is evicted", async () => {
    const sent = await app.send("long");
    await app.hands.evict((await atWork(sent)).podName);
    expect(await whyInterrupted(sent)).toMatch(/^the cluster took its pod away: /);
    expect(await outcomeOf(sent)).toEqual(INTERRUPTED_ONCE);
  });

  test("a person deletes the pod", async () => {
    const sent = await app.send("long");
    await app.hands.deletePod((await atWork(sent)).podName);
    expect(await whyInterrupted(sent)).toMatch(/^its pod was deleted$/);
    expect(await outcomeOf(sent)).toEqual(INTERRUPTED_ONCE);
  });

  test("a person deletes the Job", async () => {
    const sent = await app.send("long");
    await app.hands.deleteJob((await atWork(sent)).jobName);
    expect(await whyInterrupted(sent)).toMatch(/^the Job was deleted$/);
    expect(await outcomeOf(sent)).toEqual(INTERRUPTED_ONCE);
  });

  test.skipIf(!inject("ownsCluster"))(`the node is drained ${NEEDS_OWN_CLUSTER}`, async () => {
    const sent = await app.send("drained");
    const { podName } = await atWork(sent);
    const core = app.admin.makeApiClient(CoreV1Api);
    const { spec } = await core.readNamespacedPod({ name: podName, namespace: app.namespace });
    const node = spec?.nodeName ?? "";
    try {
      await kubectl("drain", node, "--pod-selector=ion/module=drained", "--delete-emptydir-data", "--timeout=60s");
    } finally {
      await kubectl("uncordon", node);
    }
    expect(await whyInterrupted(sent)).toMatch(/^the cluster took its pod away: /);
    expect(await outcomeOf(sent)).toEqual(INTERRUPTED_ONCE);
  });
});

describe.concurrent("a node that dies and never answers", () => {
  async function dies(kind: string): Promise<{ sent: Sent; ghost: GhostNode; podName: string }> {
    const ghost = ghosts.get(kind);
    if (!ghost) throw new Error(`there is no node ${kind}`);
    const sent = await app.send(kind);
    const jobName = await sent.job();
    const podName = await ghost.run(app, jobName);
    await ghost.givenUp(app, podName);
    // Two ticks look at the Job and conclude nothing, because the work may still run on the node.
    const since = app.log.position();
    const tick = await app.log.until(({ message }) => message === "reconciled", since);
    await app.log.until((line) => line.message === "reconciled" && line !== tick, since);
    expect(await sent.run()).toMatchObject({ status: "dispatched", attempt: 1, jobName });
    expect(await podsOf(app, jobName)).toHaveLength(1);
    return { sent, ghost, podName };
  }

  test("keeps its message waiting until a person says that the node is off, even if they force-delete the pod", async () => {
    const { sent, ghost, podName } = await dies("off");
    const core = app.admin.makeApiClient(CoreV1Api);
    const pod = { name: podName, namespace: app.namespace };
    await core.deleteNamespacedPod({ ...pod, gracePeriodSeconds: 0 });
    // The pod keeps its finalizer, because the Job still has to learn how it ended.
    const { metadata } = await core.readNamespacedPod(pod);
    expect(metadata?.finalizers).toEqual(["batch.kubernetes.io/job-tracking"]);
    await ghost.isOff();
    expect(await whyInterrupted(sent)).toMatch(WENT_WITH_NODE);
    expect(await outcomeOf(sent)).toEqual(INTERRUPTED_ONCE);
  });

  test("keeps its message waiting until a person deletes the node", async () => {
    const { sent, ghost } = await dies("removed");
    await ghost.remove();
    expect(await whyInterrupted(sent)).toMatch(WENT_WITH_NODE);
    expect(await outcomeOf(sent)).toEqual(INTERRUPTED_ONCE);
  });
});

test.concurrent("a message whose Job is interrupted too often is dead-lettered as InterruptedTooOften", async () => {
  const sent = await app.send("always");
  for (const attempt of [1, 2]) await app.hands.deletePod((await atWork(sent, attempt)).podName);
  const { run, letter } = await sent.end();
  expect(letter?.reason).toBe("InterruptedTooOften");
  expect(letter?.description).toBe(
    `Job ${run.jobName}, attempt 2, failure 0 of 5 and 2 interruptions: its pod was deleted`,
  );
  expect(letter?.properties).toMatchObject({ "dispatcher-failures": 0, "dispatcher-interruptions": 2 });
});

test.concurrent("a Job that others suspend and resume waits meanwhile, and stays the same attempt", async () => {
  const sent = await app.send("queued");
  const jobName = await sent.job();
  const isSuspended = (since: number) =>
    app.log.until(
      ({ message, waiting }) => message === "reconciled" && JSON.stringify(waiting).includes("job-suspended"),
      since,
    );
  await isSuspended(0);
  await app.hands.suspend(jobName, false);
  await runningPod(app, jobName);
  const since = app.log.position();
  await app.hands.suspend(jobName, true);
  await isSuspended(since);
  await app.hands.suspend(jobName, false);
  const again = await onePod(app, jobName, ({ status }) => status?.phase === "Running");
  await letGo(app, again.metadata?.name ?? "");
  expect(await outcomeOf(sent)).toEqual(AT_ONCE);
});

test.concurrent("a Job that a person cancels is ended, and its message dead-lettered as Cancelled, its log kept", async () => {
  const sent = await app.send("long");
  const { jobName } = await atWork(sent);
  await app.hands.label(jobName, { "ion/cancel": "true" });
  const { letter, logs } = await sent.end();
  expect(letter?.reason).toBe("Cancelled");
  expect(letter?.description).toBe(`Job ${jobName}, attempt 1 of 5: cancelled by the label ion/cancel=true`);
  expect(logs).toEqual({ "1/worker": "at work\n" });
});

async function kubectl(...args: readonly string[]): Promise<void> {
  const where = { cacheRoot: defaultCacheRoot(process.env), assets: process.env["KUBEBUILDER_ASSETS"] || undefined };
  const binaries = await buildBinaries(where, { say: () => {}, signal: new AbortController().signal });
  await promisify(execFile)(binaries["kubectl"] ?? "kubectl", ["--kubeconfig", inject("kubeconfig"), ...args]);
}
