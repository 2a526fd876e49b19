import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  type V1Container,
  type V1Job,
  type V1Pod,
  type V1PodSpec,
} from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import { type ClusterOptions, type LocalCluster, startCluster } from "../../local/cluster/start-cluster.ts";
import { type ClusterApi, clusterApi } from "./cluster-api.ts";

export const JOBS = "/apis/batch/v1/namespaces/jobs/jobs";
export const PODS = "/api/v1/namespaces/jobs/pods";
/** Stands for the shell's `$$`, its process id, in the command of a spec, where two `$` are an escaped one. */
export const PID = "$$$$";

/** A local cluster for one test file, and the actions that its tests need all the time. */
export interface LocalClusterUser {
  readonly local: LocalCluster;
  readonly api: ClusterApi;
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
  /** Resolves to the Job's name. */
  create(job: V1Job): Promise<string>;
  podOf(jobName: string): Promise<V1Pod | undefined>;
  /** Resolves to the Job's pod once it is in this phase. */
  podIn(jobName: string, phase: string): Promise<V1Pod>;
  logOf(pod: V1Pod, container?: string): Promise<string>;
  /** The output of a Job's only container, once the Job has succeeded. */
  output(job: V1Job): Promise<string>;
  mergePatch(jobName: string, body: object): ReturnType<ClusterApi["ask"]>;
  close(): Promise<void>;
}

/** Starts a cluster in a directory of its own, which it removes in the end, or in one that is given. */
export async function startLocalCluster(
  options: Partial<Pick<ClusterOptions, "isImageMissing" | "remember" | "directory">> = {},
): Promise<LocalClusterUser> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "dispatcher-cluster-"));
  const local = await startCluster({ namespace: "jobs", ...options, directory });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(local.kubeconfigPath);
  const batch = kubeConfig.makeApiClient(BatchV1Api);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const api = clusterApi(local);
  const user: LocalClusterUser = {
    local,
    api,
    batch,
    core,
    async create(job) {
      await batch.createNamespacedJob({ namespace: "jobs", body: job });
      return job.metadata?.name ?? "";
    },
    async podOf(jobName) {
      return (await core.listNamespacedPod({ namespace: "jobs", labelSelector: `job-name=${jobName}` })).items[0];
    },
    podIn: (jobName, phase) =>
      vi.waitFor(
        async () => {
          const pod = await user.podOf(jobName);
          expect(pod?.status?.phase).toBe(phase);
          return pod ?? {};
        },
        { timeout: 10_000, interval: 25 },
      ),
    async logOf(pod, container = "main") {
      return (await api.ask("GET", `${PODS}/${pod.metadata?.name}/log?container=${container}`)).text;
    },
    async output(job) {
      return user.logOf(await user.podIn(await user.create(job), "Succeeded"));
    },
    mergePatch: (jobName, body) =>
      api.ask("PATCH", `${JOBS}/${jobName}`, { body, headers: { "content-type": "application/merge-patch+json" } }),
    async close() {
      api.close();
      await local.close();
      if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
  return user;
}

/** A container that runs a shell command. */
export function sh(command: string, over: Partial<V1Container> = {}): V1Container {
  return { name: "main", image: "busybox", command: ["sh", "-c", command], ...over };
}

let count = 0;

/** A Job of one pod that is not tried again. By default it succeeds. */
export function aJob(
  pod: Partial<V1PodSpec>,
  over: { annotations?: Record<string, string>; spec?: object; name?: string } = {},
): V1Job {
  count += 1;
  const { annotations = {}, spec = {}, name = `job-${count}` } = over;
  const podSpec = { restartPolicy: "Never", terminationGracePeriodSeconds: 1, containers: [sh("exit 0")], ...pod };
  return {
    metadata: { name },
    spec: { backoffLimit: 0, template: { metadata: { annotations }, spec: podSpec }, ...spec },
  };
}
