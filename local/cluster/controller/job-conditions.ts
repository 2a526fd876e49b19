import type { V1JobCondition } from "@kubernetes/client-node";
import { type Job, timestamp, type Wire } from "../store/wire.ts";

export type JobConditionType = "Complete" | "Failed" | "FailureTarget" | "SuccessCriteriaMet" | "Suspended";
type JobCondition = Wire<V1JobCondition>;

/** The Job's condition of this type, if it holds now. */
export function holdingCondition(job: Job, type: JobConditionType): JobCondition | undefined {
  return job.status?.conditions?.find((condition) => condition.type === type && condition.status === "True");
}

export function isFinished(job: Job): boolean {
  return holdingCondition(job, "Complete") !== undefined || holdingCondition(job, "Failed") !== undefined;
}

/** The Job's conditions with this one set, in the order in which they first came. */
export function withCondition(
  job: Job,
  type: JobConditionType,
  holds: boolean,
  reason: string,
  message: string,
): JobCondition[] {
  const now = timestamp();
  const next = { type, status: holds ? "True" : "False", lastProbeTime: now, lastTransitionTime: now, reason, message };
  const conditions = job.status?.conditions ?? [];
  const isKnown = conditions.some((condition) => condition.type === type);
  return isKnown ? conditions.map((condition) => (condition.type === type ? next : condition)) : [...conditions, next];
}
