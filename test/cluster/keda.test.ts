import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import { AppsV1Api, CoreV1Api, CustomObjectsApi, type V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { z } from "zod";
import { defaultCacheRoot } from "../../real-cluster/cluster.ts";
import { recordOf } from "../../real-cluster/cluster-record.ts";
import { killContainer } from "../../real-cluster/containerd-client.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { HOURS_LATER, type InstalledDispatcher, installDispatcher } from "./installed-dispatcher.ts";
import { TESTED_KEDA } from "./tested-keda.ts";

// These tests run the Dispatcher as it is installed. helm installs the chart in connection-string mode. KEDA wakes the
// app and lets it sleep by the counts of the bus. The app runs in its standalone image, with its own ServiceAccount,
// and its Jobs end when the test lets them. Bus and storage are the local ones.

const COOLDOWN_S = 4;
const LOCK_MS = 10_000;
const PATIENCE = { timeout: 120_000, interval: 100 };
const entities = {
  queues: [{ name: "work", lockDurationMs: LOCK_MS }],
  topics: [{ name: "events", subscriptions: [{ name: "all", lockDurationMs: LOCK_MS }] }],
};
/**
 * Two Jobs at once, so that a crash meets messages of every kind: at work, waiting for a slot, and not yet accepted.
 */
const modules = (script: string) => {
  const worker = { image: "busybox:1.36", command: ["sh", "-euc", script] };
  return [
    { name: "work", source: { queue: "work" }, maxActive: 2, worker },
    { name: "event", source: { topic: "events", subscription: "all" }, worker },
  ];
};

const record = await recordOf(inject("kubeconfig"), defaultCacheRoot(process.env));

describe.skipIf(record === undefined)(`the chart, scaled by KEDA ${TESTED_KEDA} ${NEEDS_OWN_CLUSTER}`, () => {
  let installed: InstalledDispatcher;
  let bus: ServiceBusClient;

  beforeAll(async () => {
    if (record === undefined) return;
    const name = `keda-${randomUUID().slice(0, 8)}`;
    installed = await installDispatcher(record, { name, modules, entities, cooldownS: COOLDOWN_S, keda: TESTED_KEDA });
    bus = new ServiceBusClient(installed.services.serviceBus);
    // It takes so long only if KEDA has yet to be built.
  }, 1_500_000);
  afterAll(async () => {
    await bus?.close();
    await installed?.remove();
  }, 180_000);

  async function send(to: string, ...messageIds: readonly string[]): Promise<void> {
    const sender = bus.createSender(to);
    await sender.sendMessages(messageIds.map((messageId) => ({ messageId, body: {} })));
    await sender.close();
  }

  async function replicas(): Promise<number | undefined> {
    const apps = installed.kubeConfig.makeApiClient(AppsV1Api);
    return (await apps.readNamespacedDeployment({ name: "dispatcher", namespace: installed.namespace })).spec?.replicas;
  }

  /** The app's pods, terminating ones included. */
  async function pods(): Promise<V1Pod[]> {
    const core = installed.kubeConfig.makeApiClient(CoreV1Api);
    return (await core.listNamespacedPod({ namespace: installed.namespace })).items;
  }

  /** When KEDA last found something to do, in ms since 1970. */
  async function lastActive(): Promise<number> {
    const found: unknown = await installed.kubeConfig.makeApiClient(CustomObjectsApi).getNamespacedCustomObject({
      group: "keda.sh",
      version: "v1alpha1",
      plural: "scaledobjects",
      name: "dispatcher",
      namespace: installed.namespace,
    });
    const { status } = z.object({ status: z.object({ lastActiveTime: z.coerce.date() }) }).parse(found);
    return status.lastActiveTime.getTime();
  }

  /** Every run that there ever was, as `<message id> <outcome>`, or `open`. */
  async function runs(): Promise<string[]> {
    const table = TableClient.fromConnectionString(installed.services.storage, "DispatcherRuns", {
      allowInsecureConnection: true,
    });
    const rows = table.listEntities({ queryOptions: { filter: "RowKey ge 'run|' and RowKey lt 'run}'" } });
    const found: string[] = [];
    for await (const row of rows) found.push(`${String(row["messageId"])} ${String(row["status"])}`);
    return found.toSorted();
  }

  const counts = () => Object.values(installed.services.broker.counts());
  const left = () => counts().map(({ active, deferred, deadLettered }) => active + deferred + deadLettered);
  const untilAsleep = () =>
    vi.waitFor(async () => {
      const names = (await pods()).map(({ metadata }) => metadata?.name);
      // Before the app first wakes, the table does not exist.
      const open = (await runs().catch(() => [])).filter((run) => run.endsWith(" open"));
      expect({ replicas: await replicas(), pods: names, onTheBus: left(), open }).toEqual({
        replicas: 0,
        pods: [],
        onTheBus: [0, 0],
        open: [],
      });
    }, PATIENCE);

  test("sleeps without messages, wakes for one, and stays awake until its run is closed", async () => {
    await untilAsleep();
    await send("work", "first");
    await vi.waitFor(() => expect([...installed.gate.workers.keys()]).toEqual(["first"]), PATIENCE);
    const [pod] = await pods();

    // Its Job runs, and there is nothing else to do, for longer than KEDA lets a silent bus keep the app awake.
    expect(counts()[0]).toMatchObject({ active: 0, deferred: 1 });
    const until = Date.now() + 3_000 * COOLDOWN_S;
    await vi.waitFor(async () => expect(await lastActive()).toBeGreaterThan(until), PATIENCE);
    expect(await replicas()).toBe(1);
    expect((await pods()).map(({ metadata }) => metadata?.uid)).toEqual([pod?.metadata?.uid]);
    expect(await runs()).toEqual(["first open"]);

    installed.gate.open();
    await untilAsleep();
    expect(await runs()).toEqual(["first succeeded"]);
    expect(left()).toEqual([0, 0]);
  }, 300_000);

  test("wakes where KEDA can't count, rather than sleep through what it can't see", async () => {
    await untilAsleep();
    const letIn = await installed.services.turnAway();
    await vi.waitFor(async () => expect(await replicas()).toBe(1), PATIENCE);
    await letIn();
    await untilAsleep();
  }, 300_000);

  // KEDA 2.16 says anew whether its fallback is on only if an autoscaler asks it, and none does here.
  test.skipIf(TESTED_KEDA === "2.16")(
    "tells infra/deploy.sh whether KEDA can count",
    async () => {
      await untilAsleep();
      const scales = () => waitForScaling(record?.kubeconfig, installed);
      await vi.waitFor(async () => expect(await scales()).toEqual({ code: 0, said: "" }), PATIENCE);
      const letIn = await installed.services.turnAway();
      const refused = { code: 1, said: expect.stringMatching(/KEDA does not scale it\. KEDA says:\n(.*\n)*.*401/) };
      await vi.waitFor(async () => expect(await scales()).toEqual(refused), PATIENCE);
      await letIn();
      await vi.waitFor(async () => expect(await scales()).toEqual({ code: 0, said: "" }), PATIENCE);
      await untilAsleep();
    },
    300_000,
  );

  test("wakes by itself at the time that the values name, and sleeps again", async () => {
    await untilAsleep();
    await installed.wakeIn(1);
    await vi.waitFor(async () => expect(await replicas()).toBe(1), PATIENCE);
    await installed.wakeIn(HOURS_LATER);
    await untilAsleep();
  }, 300_000);

  test("tells preflight whether its KEDA is 2.19 or later", async () => {
    const { kubeConfig, namespace } = installed;
    const cluster = makeKubernetesJobs({ kubeconfig: kubeConfig, namespace, instance: "dispatcher" });
    expect(await cluster.kedaWakes()).toBe(TESTED_KEDA !== "2.16");
  });

  test("ends every message once though the app is killed in the middle", async () => {
    installed.gate.shut();
    await untilAsleep();
    const ids = ["a", "b", "c", "d", "e"].map((letter) => `work-${letter}`);
    await send("work", ...ids);
    await send("events", "event-a", "event-b");
    await vi.waitFor(
      () => expect(ids.filter((id) => installed.gate.workers.has(id)).length).toBeGreaterThan(1),
      PATIENCE,
    );
    const crashed = await crash();
    await vi.waitFor(async () => expect((await pods()).filter(isReady)).toHaveLength(1), PATIENCE);
    expect((await pods()).map(({ metadata }) => metadata?.name)).not.toContain(crashed);

    installed.gate.open();
    await untilAsleep();
    expect(await runs()).toEqual(["event-a", "event-b", "first", ...ids].map((id) => `${id} succeeded`));
    expect(left()).toEqual([0, 0]);
    for (const [id, workers] of installed.gate.workers) expect([id, workers.size]).toEqual([id, 1]);
  }, 300_000);

  /** Kills the app at once, without a signal that it could handle, and deletes its pod. Resolves to the pod's name. */
  async function crash(): Promise<string> {
    const container = await vi.waitUntil(async () => containerId((await pods())[0]), PATIENCE);
    if (record !== undefined) await killContainer(record, installed.binaries, container.id);
    const core = installed.kubeConfig.makeApiClient(CoreV1Api);
    await core.deleteNamespacedPod({ name: container.pod, namespace: installed.namespace, gracePeriodSeconds: 0 });
    return container.pod;
  }
});

/** Runs what infra/deploy.sh asks KEDA after an installation, once. */
async function waitForScaling(kubeconfig = "", { binaries, namespace }: InstalledDispatcher) {
  const script = `set -euo pipefail
say() { echo "$*" >&2; }
fail() { say "$*"; exit 1; }
way_in() { :; }
source infra/deploy/scaling.sh
wait_for_scaling`;
  const env = {
    PATH: `${dirname(binaries["kubectl"] ?? "")}:${process.env["PATH"]}`,
    KUBECONFIG: kubeconfig,
    // Otherwise kubectl makes a cache in the checkout.
    KUBECACHEDIR: join(dirname(kubeconfig), "kubectl-cache"),
    RELEASE: "dispatcher",
    NAMESPACE: namespace,
    PATIENCE_ATTEMPTS: "1",
  };
  return await new Promise<{ code: number; said: string }>((done) => {
    execFile("bash", ["--norc", "-c", script], { env }, (error, stdout, stderr) =>
      done({ code: Number(error?.code ?? 0), said: stdout + stderr }),
    );
  });
}

function isReady(pod: V1Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}

/** containerd's name for the first container of a pod. Undefined until the kubelet has reported it. */
function containerId({ metadata, status }: V1Pod = {}): { id: string; pod: string } | undefined {
  const id = status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "");
  return id === undefined || id === "" ? undefined : { id, pod: metadata?.name ?? "" };
}
