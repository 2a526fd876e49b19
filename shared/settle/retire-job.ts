import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { DeniedError, errorText } from "../errors.ts";
import type { EndedJob } from "../jobs/ended-job.ts";
import { finishedAt, isRetired } from "../jobs/job-identity.ts";
import { startedContainers } from "../jobs/pod-containers.ts";
import type { Log } from "../log.ts";
import type { RunKey } from "../run/run.ts";

/** The last part of each container's log that is kept. */
export const MAX_LOG_BYTES = 1024 * 1024;

/** The Job of an attempt, as far as it is known before it is retired. */
interface KnownJob {
  readonly name: string;
  /** Undefined if the row doesn't say it. */
  readonly uid: string | undefined;
  /** What a look found a moment ago, if it found a Job that is over. If it is the same Job, it is not read again. */
  readonly ended?: EndedJob | undefined;
}

/**
 * Retires an attempt's Job: stores its logs, then labels it as retired and sets its TTL with one patch. From then on it
 * only keeps its name taken. `keepLogsUrl` is called in between, if there was a log. Neither a log that can't be stored
 * nor a policy that denies the patch of a finished Job blocks the settlement.
 */
export async function retireJob(
  deps: Dependencies,
  key: RunKey,
  attempt: number,
  known: KnownJob,
  log: Log,
  keepLogsUrl: (url: string) => Promise<void>,
): Promise<void> {
  const read = await readUnlessEnded(deps, known);
  if (!read) return;
  const { uid, job, finishedSince } = read;
  const logsUrl = await storeLogs(deps, key, attempt, { name: known.name, pods: read.pods }, log);
  // This comes before the patch, because after a crash the next replica finds the Job retired, and asks for its logs no
  // more.
  if (logsUrl !== undefined) await keepLogsUrl(logsUrl);
  if (job?.spec?.suspend === true) await endSuspended(deps, job, log);
  const isFinished = finishedSince !== undefined;
  try {
    await deps.cluster.retire(known.name, uid, ttlSeconds(finishedSince, deps), { end: !isFinished });
  } catch (error) {
    // The policy was tightened since the Job was made, and judges changes too. The Job is over and keeps its name
    // taken, with no TTL. That is no reason not to settle. Housekeeping tries it again.
    if (!isFinished || !(error instanceof DeniedError)) throw error;
    log.warn("a finished job could not be retired, and stays until its policy lets it or it is deleted", {
      jobName: known.name,
      why: errorText(error),
    });
  }
}

/** A Job that is to be retired. */
interface JobToRetire extends Pick<EndedJob, "uid" | "pods"> {
  /** Undefined if it is not over. */
  readonly finishedSince: EpochMs | undefined;
  /** The Job, if it was read. */
  readonly job?: V1Job;
}

/** Reads the Job, unless it was found over a moment ago. Undefined if it is gone, is another one, or is retired. */
async function readUnlessEnded(
  { cluster }: Pick<Dependencies, "cluster">,
  { name, uid: wanted, ended }: KnownJob,
): Promise<JobToRetire | undefined> {
  if (ended !== undefined && ended.uid === wanted) return ended;
  const job = await cluster.get(name);
  const uid = job?.metadata?.uid;
  if (!job || !uid || (wanted !== undefined && wanted !== uid) || isRetired(job)) return undefined;
  return { uid, job, finishedSince: finishedAt(job) };
}

/**
 * Ends a suspended Job, because a TTL begins with the end of a Job, and a suspended one would stay for ever. If that
 * fails, it is untidy, and no reason not to settle.
 */
async function endSuspended(deps: Dependencies, job: V1Job, log: Log): Promise<void> {
  try {
    await deps.cluster.endSuspended(job);
  } catch (error) {
    log.warn("a suspended job could not be ended, and stays until it is deleted", {
      jobName: job.metadata?.name ?? "",
      why: errorText(error),
    });
  }
}

/**
 * Says how long the TTL has to be, in seconds, because the cluster counts it from the finish and not from the patch
 * that sets it. If the Job is known to have finished after some time only, the TTL is longer by what is not known: the
 * name has to stay taken for as long as the setting says.
 */
function ttlSeconds(finishedSince: EpochMs | undefined, deps: Dependencies): number {
  const sinceFinish = finishedSince === undefined ? 0 : Math.max(0, deps.clock.now() - finishedSince);
  return Math.ceil((sinceFinish + deps.jobRetentionMs) / 1000);
}

/**
 * Stores the logs of an attempt's containers so far. `pods` are those of its Job, if they are known. Resolves to the URL
 * of the last one. Never rejects.
 */
export async function storeLogs(
  deps: Dependencies,
  key: RunKey,
  attempt: number,
  { name, pods }: { readonly name: string; readonly pods?: readonly V1Pod[] | undefined },
  log: Log,
): Promise<string | undefined> {
  let url: string | undefined;
  try {
    for (const pod of pods ?? (await deps.cluster.pods(name))) {
      for (const container of startedContainers(pod)) {
        const text = await deps.cluster.log(pod.metadata?.name ?? "", container, MAX_LOG_BYTES);
        // People want to open the log of the last container first that said anything.
        if (text && text.length > 0) url = await deps.payloads.putLog(key, attempt, container, text);
      }
    }
  } catch (error) {
    log.warn("a log could not be stored", { jobName: name, why: errorText(error) });
  }
  return url;
}
