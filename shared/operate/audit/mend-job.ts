import { DeniedError } from "../../errors.ts";
import { isOurs, isRetired, recordOf } from "../../jobs/job-identity.ts";
import { runningLimitMs } from "../../jobs/run-limits.ts";
import type { StoredRun } from "../../ports/run-table.ts";
import { dispatched } from "../../run/change-run.ts";
import type { RunKey } from "../../run/run.ts";
import { retireJob } from "../../settle/retire-job.ts";
import { believeAbsence } from "../believe-absence.ts";
import type { SafeFinding } from "./finding.ts";
import type { Mending } from "./mending.ts";

type FoundJob = Extract<SafeFinding, { kind: "missing Job" | "unrecorded Job" | "unretired Job" }>;

/** Mends what a run and its Job say against each other. Resolves to false if it is no longer so. */
export async function mendJob(mending: Mending, found: FoundJob): Promise<boolean> {
  const { deps, action, log, note } = mending;
  const { key, jobName: name } = found;
  switch (found.kind) {
    case "missing Job": {
      const stored = await openRun(mending, key);
      return stored?.run.jobName === name && (await believeAbsence(deps, stored, action, log));
    }
    case "unrecorded Job": {
      const stored = await openRun(mending, key);
      return stored !== undefined && recordJob(mending, stored, name);
    }
    case "unretired Job": {
      const uid = (await deps.cluster.get(name))?.metadata?.uid;
      if (uid === undefined) return false;
      await note();
      log.warn("retires a job whose attempt is over by hand");
      await retireJob(deps, key, found.attempt, { name, uid }, log, async () => {});
      const job = await deps.cluster.get(name);
      if (job?.metadata?.uid === uid && !isRetired(job))
        throw new DeniedError(`a policy of the cluster denies to retire Job ${name}, as the log says`);
      return true;
    }
    default:
      return found satisfies never;
  }
}

async function openRun({ deps }: Mending, key: RunKey): Promise<StoredRun | undefined> {
  const found = await deps.table.find(key);
  return found.kind === "open" ? found.stored : undefined;
}

/** Takes over a Job of which the row doesn't know, as a tick does. */
async function recordJob({ deps, action, log }: Mending, stored: StoredRun, name: string): Promise<boolean> {
  const { run } = stored;
  if (run.status !== "waiting" && run.status !== "accepted") return false;
  const job = await deps.cluster.get(name);
  if (!job || !isOurs(job, deps.instance, run, run.attempt)) return false;
  const next = dispatched(run, recordOf(job), deps.clock.now(), runningLimitMs(job.spec?.template.spec));
  await deps.table.update(stored, next, action);
  log.warn("took over a job by hand", { jobName: name });
  return true;
}
