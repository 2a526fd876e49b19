import type { ClusterEvent, JobInCluster } from "../../shared/operate/views/job.ts";
import { counted } from "../text/times.ts";

/** Says why no Job can be shown. Undefined if one can. */
export function noJobText({
  attempt,
  name,
  job,
}: Pick<JobInCluster, "attempt" | "name"> & {
  readonly job: { readonly found: unknown } | { readonly unavailable: string };
}): string | undefined {
  if (attempt === 0) return "there is no Job, because no attempt has begun";
  if ("unavailable" in job) return `the cluster can't be asked for Job ${name}: ${job.unavailable}`;
  return job.found === null ? `Job ${name} of attempt ${attempt} is not in the cluster any more` : undefined;
}

/** Says why no event can be shown. Undefined if there are some. */
export function noEventsText(events: JobInCluster["events"]): string | undefined {
  if ("unavailable" in events) return `events can't be read: ${events.unavailable}`;
  return (events.found ?? []).length === 0 ? "there are none. The cluster keeps events for about an hour" : undefined;
}

/** Says what an event tells, without its time. */
export function eventText({ kind, name, reason, message, count, isWarning }: ClusterEvent): string {
  const often = count > 1 ? ` (${counted(count, "time")})` : "";
  return `${isWarning ? "Warning, " : ""}${kind} ${name}: ${[reason, message].filter(Boolean).join(": ")}${often}`;
}
