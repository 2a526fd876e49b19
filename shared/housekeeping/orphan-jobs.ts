import type { Dependencies } from "../dependencies.ts";
import { readJobIdentity } from "../jobs/job-identity.ts";
import { type ClusterView, jobNameOf } from "../observe/cluster-view.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import { retireJob } from "../settle/retire-job.ts";
import type { Events } from "../telemetry/events.ts";

/** So many Jobs are looked at per tick, because each costs a read of the Job and one of its row. */
const LIMIT = 50;

/**
 * Ends and retires Jobs whose run is closed or past their attempt, because a process made them that had slept through
 * the rest. A Job without any row is reported and left alone. It looks only at Jobs that no open run spoke of in two
 * ticks on end, because a run may have been accepted between the reading of rows and Jobs.
 */
export function makeRetireOrphanJobs(deps: Dependencies) {
  let before: ReadonlySet<string> = new Set();
  let lookedAt = "";

  return async function retireOrphanJobs(
    all: readonly SourceRuns[],
    view: ClusterView,
    isOver: () => boolean,
    events: Events,
  ): Promise<void> {
    const spokenOf = new Set(all.flatMap(({ runs }) => runs.map(({ run }) => jobNameOf(run, deps.instance))));
    const unmatched = new Set([...view.jobs.keys()].filter((name) => !spokenOf.has(name)));
    const suspects = [...unmatched].filter((name) => before.has(name)).toSorted();
    before = unmatched;
    // It goes on after the last one, because Jobs that stay would keep the others from ever being looked at.
    const later = suspects.filter((name) => name > lookedAt);
    for (const name of [...later, ...suspects.slice(0, suspects.length - later.length)].slice(0, LIMIT)) {
      if (isOver()) return;
      lookedAt = name;
      const about = events.about({ jobName: name });
      try {
        if (await isOrphan(deps, name, about)) about.tell({ event: "orphan found", orphan: "job", leftAlone: true });
      } catch (error) {
        about.tell({ event: "failed", what: "left a job that no run speaks of to the next tick", error });
      }
    }
  };
}

/** Says whether no row speaks of the Job. If its row says that its attempt is over, the Job is retired. */
async function isOrphan(deps: Dependencies, name: string, { log }: Events): Promise<boolean> {
  const job = await deps.cluster.get(name);
  if (!job) return false;
  const identity = readJobIdentity(job);
  const found = identity ? await deps.table.find(identity.key) : undefined;
  if (!identity || !found || found.kind === "none") return true;
  const isOver =
    found.kind === "closed" || (found.stored.run.attempt > identity.attempt && found.stored.run.jobName !== name);
  if (!isOver) return false;
  log.warn("retiring a job whose attempt is over");
  await retireJob(deps, identity.key, identity.attempt, { name, uid: job.metadata?.uid }, log, async () => {});
  return false;
}
