import { randomUUID } from "node:crypto";
import type { V1Job, V1JobCondition, V1PodSpec } from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import type { ClusterHands } from "../../local/kit/cluster-hands.ts";
import type { JobCluster, JobListing } from "../../shared/ports/job-cluster.ts";

/** What happens to a Job's pod, in a cluster that runs nothing. */
export type Outcome =
  | "runs"
  | "times out"
  | "times out unstarted"
  /** The exit of the first container, or of the named one. */
  | { readonly exitCode: number; readonly reason?: string; readonly message?: string; readonly container?: string }
  | { readonly waiting: string; readonly message: string; readonly container?: string }
  | { readonly unschedulable: string };

export interface ClusterUnderTest {
  readonly cluster: JobCluster;
  readonly hands: ClusterHands;
  readonly instance: string;
  /** Tells a cluster that runs nothing what became of a Job, and its output. Real ones find out by running it. */
  play(jobName: string, outcome: Outcome, log?: string): void;
  /** Lets seconds pass, if the clock is not the real one. */
  pass(seconds: number): void;
  close(): Promise<void>;
}

/** The limits that a namespace's quota and policies set. */
export interface Admission {
  readonly quota: Readonly<Record<string, string>>;
  /** Jobs whose label `ion/module` has this value are denied. */
  readonly deniedModule: string;
}

/** Starts a cluster. `admission` is given only if the cluster doesn't lack it. */
export type StartCluster = (admission?: Admission) => Promise<ClusterUnderTest>;

/** How long a cluster may take for one step. A real one pulls an image at first. */
export const PATIENCE = { timeout: 60_000, interval: 50 };

/** The actions that tests of a `JobCluster` need all the time. */
export interface JobUser {
  /** Creates a Job and returns its name and uid. */
  readonly created: (job: V1Job, outcome?: Outcome, log?: string) => Promise<{ jobName: string; uid: string }>;
  /** The Job's state in the light list. */
  readonly stateOf: (jobName: string) => Promise<JobListing["state"] | undefined>;
  readonly reaches: (jobName: string, state: JobListing["state"]) => Promise<void>;
  /** The pod's status in the light list. */
  readonly podStatusOf: (jobName: string) => Promise<string | undefined>;
  /** Resolves to the name of the Job's pod once it runs. */
  readonly isRunning: (jobName: string) => Promise<string>;
  /** The Job's condition `Failed`. */
  readonly failure: (jobName: string) => Promise<V1JobCondition | undefined>;
  /** The output of a container of the Job's pod, by default `main`. */
  readonly logOf: (jobName: string, container?: string) => Promise<string | undefined>;
}

export function jobUser(under: () => ClusterUnderTest): JobUser {
  const podListed = async (jobName: string) =>
    (await under().cluster.listPods()).pods.find((listed) => listed.jobName === jobName);
  const user: JobUser = {
    async created(job, outcome, log) {
      const jobName = job.metadata?.name ?? "";
      const answer = await under().cluster.create(job);
      if (answer.kind !== "created") throw new Error(`create answered ${JSON.stringify(answer)}`);
      if (outcome !== undefined) under().play(jobName, outcome, log);
      return { jobName, uid: answer.uid };
    },
    stateOf: async (jobName) => (await under().cluster.listJobs()).jobs.find(({ name }) => name === jobName)?.state,
    reaches: (jobName, state) => vi.waitFor(async () => expect(await user.stateOf(jobName)).toBe(state), PATIENCE),
    podStatusOf: async (jobName) => (await podListed(jobName))?.status,
    isRunning: (jobName) =>
      vi.waitFor(async () => {
        const pod = await podListed(jobName);
        expect(pod?.status).toBe("Running");
        return pod?.name ?? "";
      }, PATIENCE),
    failure: async (jobName) =>
      (await under().cluster.get(jobName))?.status?.conditions?.find(({ type }) => type === "Failed"),
    async logOf(jobName, container = "main") {
      const [pod] = await under().cluster.pods(jobName);
      if (!pod) return undefined;
      const log = await under().cluster.log(pod.metadata?.name ?? "", container, 100_000);
      return log && Buffer.from(log).toString();
    },
  };
  return user;
}

export interface JobOptions {
  readonly suspend?: boolean;
  /** The pod's time limit. */
  readonly activeDeadlineSeconds?: number;
  readonly pod?: Partial<V1PodSpec>;
}

/**
 * A Job as the Dispatcher makes it: one pod, no retries, disruptions first in its failure policy, and 64 as a permanent
 * exit code.
 */
export function buildJob(instance: string, command: string, options: JobOptions): V1Job {
  const labels = { "app.kubernetes.io/managed-by": "dispatcher", "app.kubernetes.io/instance": instance };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: `job-${randomUUID().slice(0, 13)}`, labels },
    spec: {
      backoffLimit: 0,
      ...(options.suspend === undefined ? {} : { suspend: options.suspend }),
      podFailurePolicy: {
        rules: [
          { action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
          { action: "FailJob", onExitCodes: { operator: "In", values: [64] } },
        ],
      },
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: "Never",
          terminationGracePeriodSeconds: 1,
          ...(options.activeDeadlineSeconds === undefined
            ? {}
            : { activeDeadlineSeconds: options.activeDeadlineSeconds }),
          containers: [
            { name: "main", image: "busybox", imagePullPolicy: "IfNotPresent", command: ["sh", "-c", command] },
          ],
          ...options.pod,
        },
      },
    },
  };
}
