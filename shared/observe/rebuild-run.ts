import type { Looking } from "../dependencies.ts";
import { jobNamer } from "../jobs/job-name.ts";
import { fitsInline } from "../jobs/job-spec.ts";
import type { Module } from "../modules/module.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun } from "../run/new-run.ts";
import type { Run, RunKey } from "../run/run.ts";
import { withoutStamps } from "../run/stamp.ts";
import type { ClusterView } from "./cluster-view.ts";

/** No message can have had more attempts: its entity allows so many deliveries, and each requeue is one. */
const MAX_ATTEMPT = 2_000;

/** Makes the row of a deferred message that has none, from the message's stamps and the Jobs that are still listed. */
export function rebuildRun(
  deps: Looking,
  key: RunKey,
  message: PeekedMessage,
  module: Module,
  view: Pick<ClusterView, "jobs">,
): Run {
  const now = deps.clock.now();
  const stamped = Number(message.properties["dispatcher-attempt"]);
  let attempt = Number.isInteger(stamped) && stamped >= 1 && stamped <= MAX_ATTEMPT ? stamped : 1;
  const nameOf = jobNamer({ module: module.name, instance: deps.instance, key });
  for (let later = attempt + 1; later <= MAX_ATTEMPT; later += 1) if (view.jobs.has(nameOf(later))) attempt = later;
  return {
    ...newRun({ key, message, module: module.name, bodyInBlob: !fitsInline(withoutStamps(message)), now }),
    attempt,
    // Only the number of earlier attempts is known. The careful guess is that they failed. An open run has one try
    // left.
    failures: Math.min(attempt, module.retry.maxAttempts) - 1,
  };
}
