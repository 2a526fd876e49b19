import type { Dependencies } from "../dependencies.ts";
import { readJobIdentity } from "../jobs/job-identity.ts";
import type { Log } from "../log.ts";
import { retireJob } from "./retire-job.ts";
import { type ClusterView, jobNameOf, type SourceRuns } from "./snapshot.ts";
import type { Tally } from "./tally.ts";

/** Jobs looked at per tick: each costs a read of the Job and one of its row. */
const LIMIT = 50;

/**
 * Ends and retires Jobs whose run is closed or past their attempt: made by a process that slept through the rest. A Job without any row is
 * reported and left alone. Looks only at Jobs that no open run spoke of in two ticks on end, for a run may have been accepted between the
 * reading of rows and Jobs. Resolves to the names that no run speaks of now.
 */
export async function retireOrphanJobs(
  deps: Dependencies,
  all: readonly SourceRuns[],
  view: ClusterView,
  before: ReadonlySet<string>,
  tally: Tally,
  log: Log,
): Promise<ReadonlySet<string>> {
  const spokenOf = new Set(all.flatMap(({ runs }) => runs.map(({ run }) => jobNameOf(run, deps.instance))));
  const unmatched = new Set([...view.jobs.keys()].filter((name) => !spokenOf.has(name)));
  const suspects = [...unmatched].filter((name) => before.has(name));
  for (const name of suspects.slice(0, LIMIT)) if (await isOrphan(deps, name, log)) tally.orphans += 1;
  return unmatched;
}

async function isOrphan(deps: Dependencies, name: string, log: Log): Promise<boolean> {
  const job = await deps.cluster.get(name);
  if (!job) return false;
  const identity = readJobIdentity(job);
  const found = identity ? await deps.table.find(identity.key) : undefined;
  if (!identity || !found || found.kind === "none") {
    log.error("found a job that no run speaks of; it is left alone", { jobName: name });
    return true;
  }
  const isOver =
    found.kind === "closed" || (found.stored.run.attempt > identity.attempt && found.stored.run.jobName !== name);
  if (!isOver) return false;
  log.warn("retiring a job whose attempt is over", { jobName: name });
  await retireJob(deps, identity.key, identity.attempt, { name, uid: job.metadata?.uid }, log);
  return false;
}
