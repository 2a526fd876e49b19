import type { Looking } from "../dependencies.ts";
import { finishedAt, isOurs } from "../jobs/job-identity.ts";
import { judgeEnd } from "../jobs/judge-end.ts";
import { judgeStart } from "../jobs/judge-start.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { JobSeen } from "../run/decide.ts";
import type { AttemptEnd } from "../run/run.ts";
import { withoutSignatures } from "../run/without-signatures.ts";

/**
 * Looks at the Job itself, because the light list cannot tell whether it is really absent, why it does not start, or
 * why it failed. Resolves to undefined if the row changed meanwhile, so that nothing may be concluded.
 */
export async function lookAtJob(deps: Looking, stored: StoredRun, name: string): Promise<JobSeen | undefined> {
  const { run } = stored;
  const job = await deps.cluster.get(name);
  if (!job) {
    // "No Job" counts only as long as the row still says that there is one.
    const found = await deps.table.find(run);
    const unchanged = found.kind === "open" && found.stored.etag === stored.etag;
    return unchanged ? { phase: "absent", confirmed: true } : undefined;
  }
  if (!isOurs(job, deps.instance, run, run.attempt)) return { phase: "foreign" };
  if (run.jobUid !== undefined && job.metadata?.uid !== run.jobUid) return { phase: "foreign" };

  const conditions = new Set((job.status?.conditions ?? []).filter((c) => c.status === "True").map((c) => c.type));
  if (conditions.has("Complete")) return { phase: "succeeded" };
  if (finishedAt(job) !== undefined) {
    const pods = await deps.cluster.pods(name);
    const end = judgeEnd(job, pods);
    return end ? { phase: "failed", end: unsigned(end) } : { phase: "failed" };
  }
  if (conditions.has("FailureTarget") || conditions.has("SuccessCriteriaMet")) return { phase: "terminating" };
  if (job.spec?.suspend === true) return { phase: "suspended" };

  const pods = await deps.cluster.pods(name);
  // Events are asked only if there is no pod: the cluster looks through all events of the namespace to find those of
  // one Job.
  const events = pods.length > 0 ? [] : await deps.cluster.events(name);
  const module = deps.modules.get(run.module);
  const start = judgeStart({
    job,
    pods,
    events,
    now: deps.clock.now(),
    startTimeoutMs: module?.startTimeoutMs ?? Number.POSITIVE_INFINITY,
  });
  if ("running" in start) return { phase: "running" };
  return { phase: "pending", suspect: false, ...("stuck" in start ? { stuck: unsigned(start.stuck) } : {}) };
}

/**
 * Removes signatures from the detail, because it quotes logs and events, and a worker may print the URL of its body.
 */
function unsigned(end: AttemptEnd): AttemptEnd {
  return { ...end, detail: withoutSignatures(end.detail) };
}
