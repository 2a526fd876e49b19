import type { CoreV1Event, V1Job } from "@kubernetes/client-node";
import { stringify } from "yaml";
import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { lastSeen } from "../../jobs/last-seen.ts";
import type { RunKey } from "../../run/run.ts";
import { withoutSignatures } from "../../run/without-signatures.ts";
import { jobNameAt, shownAttempt } from "./attempts.ts";
import { mapFound, type Sought, sought } from "./sought.ts";

/** The Job of a run's last attempt, as the cluster has it, and what the cluster tells of it and its pods. */
export interface JobInCluster {
  /** 0 if no attempt has begun. Then there is no Job, and nothing is asked. */
  readonly attempt: number;
  /** The name that the Job has, or had. Undefined if no attempt has begun. */
  readonly name?: string;
  /** `null` if it is not there any more. It holds the message, if that is small. Signatures of URLs are removed. */
  readonly job: Sought<V1Job>;
  /** Oldest first. The server keeps them for an hour, also if the Job is gone. */
  readonly events: Sought<readonly ClusterEvent[]>;
}

/** Something that the cluster tells of a Job or a pod. */
export interface ClusterEvent {
  /** When it happened last. */
  readonly at?: EpochMs;
  readonly kind: "Job" | "Pod";
  readonly name: string;
  readonly isWarning: boolean;
  readonly reason: string;
  readonly message: string;
  /** How often it happened. */
  readonly count: number;
}

/**
 * Shows the Job of a run's last attempt, whole. Undefined if there is no such run, and `newer` if a newer release wrote
 * its row. Costs one to three requests to the table, and three to the cluster, with one more for each pod. If the cluster
 * is away, or the caller may not read Jobs or events in it, the rest is shown.
 */
export async function showJob(deps: LookDependencies, key: RunKey): Promise<JobInCluster | "newer" | undefined> {
  const found = await deps.table.find(key);
  if (found.kind === "none") return undefined;
  if (found.kind === "newer") return "newer";
  const run = found.kind === "open" ? found.stored.run : found.run;
  const attempt = shownAttempt(run);
  if (attempt === 0) return { attempt, job: { found: null }, events: { found: [] } };
  const name = jobNameAt(deps, run, attempt);
  const [job, events] = await Promise.all([sought(deps.cluster.get(name)), sought(eventsOf(deps, name))]);
  return { attempt, name, job: mapFound(job, readable), events };
}

/** Writes a Job as YAML, as people read it. */
export function jobYaml(job: V1Job): string {
  // Folded lines would look as if the text had more of them.
  return stringify(job, { lineWidth: 0 });
}

async function eventsOf({ cluster }: LookDependencies, jobName: string): Promise<ClusterEvent[]> {
  const pods = await cluster.pods(jobName);
  const found = await Promise.all([
    cluster.events("Job", jobName),
    ...pods.flatMap(({ metadata }) => (metadata?.name === undefined ? [] : [cluster.events("Pod", metadata.name)])),
  ]);
  return found
    .flat()
    .map(shownEvent)
    .toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0));
}

function shownEvent(event: CoreV1Event): ClusterEvent {
  const { involvedObject, type, reason = "", message = "", count, series } = event;
  const at = lastSeen(event);
  return {
    ...(at === undefined ? {} : { at }),
    kind: involvedObject.kind === "Job" ? "Job" : "Pod",
    name: involvedObject.name ?? "",
    isWarning: type === "Warning",
    reason,
    message: withoutSignatures(message),
    count: series?.count ?? count ?? 1,
  };
}

/** Leaves out who changed which field, as kubectl does, and the signatures by which a body can be fetched. */
function readable(job: V1Job): V1Job {
  const { managedFields: _, ...metadata } = job.metadata ?? {};
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only texts in it are other ones.
  return JSON.parse(withoutSignatures(JSON.stringify({ ...job, metadata }))) as V1Job;
}
