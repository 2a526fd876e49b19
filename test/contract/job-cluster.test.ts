import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import pLimit from "p-limit";
import { describe, expect, test } from "vitest";
import { startCluster } from "../../local/cluster/start-cluster.ts";
import { clusterHands } from "../../local/kit/cluster-hands.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { UnavailableError } from "../../shared/errors.ts";
import { FakeCluster } from "../support/fake-cluster.ts";
import { NEEDS_ADMISSION, NEEDS_KUBELET } from "../support/forbid-skips.ts";
import { describeJobCluster } from "./job-cluster.contract.ts";
import { describeJobEndings } from "./job-endings.contract.ts";
import { buildJob, type ClusterUnderTest, type Outcome } from "./job-harness.ts";

/**
 * The marks of the tests that these two can't pass. The fake runs nothing, and the local cluster's processes have no
 * images and no limits. Neither has an admission that judges requests.
 */
const LACKS = [NEEDS_KUBELET, NEEDS_ADMISSION];

describeJobCluster("the fake", startFake);
describeJobCluster("the adapter on the local cluster", startLocal);
describeJobEndings("the fake", startFake, LACKS);
describeJobEndings("the adapter on the local cluster", startLocal, LACKS);

async function startFake(): Promise<ClusterUnderTest> {
  let now = Date.now();
  const cluster = new FakeCluster({ clock: { now: () => now }, instance: "contract" });
  const jobOf = (podName: string): string => podName.slice(0, -6);
  return {
    cluster,
    instance: "contract",
    hands: {
      label: async (name, labels) => cluster.label(name, labels),
      suspend: async (name, suspend) => (suspend ? cluster.suspend(name) : cluster.resume(name)),
      deletePod: async (podName) => cluster.deletePod(jobOf(podName)),
      evict: async (podName) => cluster.evict(jobOf(podName)),
      deleteJob: async (name) => cluster.deleteJob(name),
      create: async (job) => void (await cluster.create(job)),
      // The fake never reads a Secret.
      createSecret: async () => {},
    },
    play: (name, outcome, log) => playFake(cluster, name, outcome, log),
    pass: (seconds) => {
      now += seconds * 1000;
    },
    close: async () => {},
  };
}

function playFake(cluster: FakeCluster, name: string, outcome: Outcome, log: string | undefined): void {
  if (cluster.job(name).spec?.suspend === true) return;
  const last = log === undefined ? {} : { message: log };
  const runs = (container = "main"): void => {
    cluster.run(name);
    if (log !== undefined) cluster.setLog(name, container, log);
  };
  if (outcome === "times out unstarted") cluster.timeOutUnstarted(name);
  else if (typeof outcome === "string") {
    runs();
    if (outcome === "times out") cluster.timeOut(name, last);
  } else if ("unschedulable" in outcome) cluster.unschedule(name, outcome.unschedulable);
  else if ("waiting" in outcome) cluster.stick(name, outcome.waiting, outcome.message, outcome.container);
  else {
    runs(outcome.container);
    if (outcome.exitCode === 0) cluster.succeed(name);
    else cluster.fail(name, outcome.exitCode, { ...last, ...outcome });
  }
}

async function startLocal(): Promise<ClusterUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-cluster-"));
  const local = await startCluster({ directory, namespace: "jobs" });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(local.kubeconfigPath);
  return {
    cluster: makeKubernetesJobs({ kubeconfig: local.kubeconfigPath, namespace: "jobs", instance: "contract" }),
    instance: "contract",
    hands: clusterHands(kubeConfig, "jobs"),
    play: () => {},
    pass: () => {},
    async close() {
      await local.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

describe("the adapter on the local cluster, beyond the fake", () => {
  async function withCluster<T>(
    work: (under: { kubeconfig: string; cluster: ReturnType<typeof makeKubernetesJobs> }) => Promise<T>,
    options: { readonly uid?: string } = {},
  ) {
    const directory = await mkdtemp(join(tmpdir(), "dispatcher-cluster-"));
    const local = await startCluster({ directory, namespace: "jobs", stub: true, ...options });
    try {
      const kubeconfig = local.kubeconfigPath;
      return await work({
        kubeconfig,
        cluster: makeKubernetesJobs({ kubeconfig, namespace: "jobs", instance: "one" }),
      });
    } finally {
      await local.close();
      await rm(directory, { recursive: true, force: true });
    }
  }

  test("lists every Job of more than one page, once", () =>
    withCluster(async ({ cluster }) => {
      const few = pLimit(16);
      const jobs = Array.from({ length: 1_203 }, () => buildJob("one", "exit 0", {}));
      await Promise.all(jobs.map((job) => few(() => cluster.create(job))));
      const names = jobs.map((job) => job.metadata?.name ?? "");
      const listed = (await cluster.listJobs()).jobs.map(({ name }) => name);
      expect(listed).toEqual(names.toSorted());
    }));

  test("refuses a Job in the API server's own words", () =>
    withCluster(async ({ cluster }) => {
      const job = buildJob("one", "", {
        pod: {
          containers: [
            { name: "main", image: "a" },
            { name: "main", image: "b" },
          ],
        },
      });
      const outcome = await cluster.create(job);
      expect(outcome).toMatchObject({ kind: "refused" });
      expect(outcome.kind === "refused" && outcome.message).toContain(
        'spec.template.spec.containers[1].name: Duplicate value: "main"',
      );
    }));

  test("sends a template as it is, fields that this client doesn't know included", () =>
    withCluster(async ({ cluster }) => {
      const job = buildJob("one", "exit 0", {});
      const template = Object.assign(job.spec?.template.spec ?? {}, { fieldOfTomorrow: "kept" });
      expect(template).toHaveProperty("fieldOfTomorrow");
      const outcome = await cluster.create(job);
      expect(outcome.kind).toBe("created");
    }));

  test("says that the namespace is missing, as an outage", () =>
    withCluster(async ({ kubeconfig }) => {
      const cluster = makeKubernetesJobs({ kubeconfig, namespace: "elsewhere", instance: "one" });
      await expect(cluster.create(buildJob("one", "exit 0", {}))).rejects.toThrow(UnavailableError);
      await expect(cluster.create(buildJob("one", "exit 0", {}))).rejects.toThrow(
        /namespaces "elsewhere" not found.*JOB_NAMESPACE/,
      );
      await expect(cluster.verify()).rejects.toThrow(/namespaces "elsewhere" not found/);
      await expect(cluster.namespaceUid()).rejects.toThrow(/namespaces "elsewhere" not found/);
    }));

  test("has the same uid when it is started again, and another one has another", async () => {
    const uidOf = (uid?: string) =>
      withCluster(({ cluster }) => cluster.namespaceUid(), uid === undefined ? {} : { uid });
    const first = await uidOf();
    expect(await uidOf()).toBe(first);
    expect(await uidOf("another")).not.toBe(first);
  });

  test("says that its token is not accepted", () =>
    withCluster(async ({ kubeconfig }) => {
      const wrong = new KubeConfig();
      wrong.loadFromFile(kubeconfig);
      const [user] = wrong.getUsers();
      wrong.users = [{ ...user, name: user?.name ?? "", token: "wrong" }];
      const cluster = makeKubernetesJobs({ kubeconfig: wrong, namespace: "jobs", instance: "one" });
      await expect(cluster.listJobs()).rejects.toThrow(/401 Unauthorized.*Renew the token or certificate/);
    }));
});
