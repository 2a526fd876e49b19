import type { Looking } from "../dependencies.ts";
import { isOurs, readJobIdentity } from "../jobs/job-identity.ts";
import { jobNamer } from "../jobs/job-name.ts";
import { goesToStore } from "../jobs/job-spec.ts";
import { retryOf } from "../jobs/run-limits.ts";
import { route } from "../modules/route.ts";
import { held } from "../run/change-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun } from "../run/new-run.ts";
import { MAX_DELIVERIES } from "../run/retry-policy.ts";
import type { Run, RunKey } from "../run/run.ts";
import { wasHeld } from "../run/stamp.ts";
import type { ClusterView } from "./cluster-view.ts";

const HELD_BEFORE = "it was held when its row was lost";

/**
 * Makes the row of a deferred message that has none, from the message's stamps and the Jobs that are still listed.
 * A message that was held, and for which no Job was made, is held again. Resolves to undefined if no module takes any
 * other message and no Job was made for it. Throws an UnavailableError.
 */
export async function rebuildRun(
  deps: Looking,
  key: RunKey,
  message: PeekedMessage,
  view: Pick<ClusterView, "jobs">,
): Promise<Run | undefined> {
  const now = deps.clock.now();
  // No message can have had more attempts than deliveries, because each requeue is one.
  const stamped = Number(message.properties["dispatcher-attempt"]);
  let attempt = Number.isInteger(stamped) && stamped >= 1 && stamped <= MAX_DELIVERIES ? stamped : 1;
  const module = await moduleOf(deps, key, message, attempt, view);
  const bodyInBlob = goesToStore(message, deps.bodyAccess);
  const run = newRun({ key, message, module: module ?? "", bodyInBlob, now });
  if (module === undefined) return wasHeld(message) ? held(run, "", HELD_BEFORE) : undefined;
  const nameOf = jobNamer({ module, instance: deps.instance, key });
  for (let later = attempt + 1; later <= MAX_DELIVERIES; later += 1) if (view.jobs.has(nameOf(later))) attempt = later;
  if (wasHeld(message) && !view.jobs.has(nameOf(attempt))) return held(run, module, HELD_BEFORE);
  return {
    ...run,
    attempt,
    // Only the number of earlier attempts is known. The careful guess is that they failed. An open run has one try
    // left.
    failures: Math.min(attempt, retryOf(run, deps).maxAttempts) - 1,
  };
}

/**
 * Names the module that a message is for: the one that takes it, unless this attempt or a later one has a Job of another
 * module. Then the module was renamed since, and the Job is to be followed: a Job's name has the module in it, so that
 * nothing else would keep the attempt from starting a second time.
 */
async function moduleOf(
  { cluster, instance, modules }: Looking,
  key: RunKey,
  message: PeekedMessage,
  attempt: number,
  { jobs }: Pick<ClusterView, "jobs">,
): Promise<string | undefined> {
  const routed = route(modules.values(), key.source, message)?.name;
  if (routed !== undefined && jobs.has(jobNamer({ module: routed, instance, key })(attempt))) return routed;
  const ending = new RegExp(`-${key.sequenceNumber.toString(36)}-(\\d+)$`, "u");
  for (const name of jobs.keys()) {
    const made = Number(ending.exec(name)?.[1]);
    if (!(made >= attempt)) continue;
    const job = await cluster.get(name);
    if (job && isOurs(job, instance, key, made)) return readJobIdentity(job)?.module;
  }
  return routed;
}
