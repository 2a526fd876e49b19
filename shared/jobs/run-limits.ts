import type { V1PodSpec } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { BodyAccess } from "../ports/payload-store.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "../run/retry-policy.ts";
import type { AttemptEnd, Run } from "../run/run.ts";

interface Known {
  readonly modules: ReadonlyMap<string, Module>;
}

/** The cluster's default time between SIGTERM and SIGKILL. */
const DEFAULT_GRACE_SECONDS = 30;

/** How late the cluster may be with the end of a pod, in seconds. */
const SLACK_SECONDS = 60;

/** The limit of a pod that has none: a year, which limits nothing and still gives a date. */
const NO_LIMIT_SECONDS = 365 * 24 * 3_600;

const DAY_MS = 24 * 3_600_000;

/**
 * How long the URL of a body is good beyond the time that its pod may run. A signature in the name of the app's identity
 * lasts for 7 days in all, and no longer.
 */
export const BODY_URL_GRACE_MS = 7 * DAY_MS;

/** After so long a Job that has not started is replaced, so that its pod still has a day to read its body. */
const BODY_URL_USE_MS = 6 * DAY_MS;

/** Gives the retry policy of a run; the default policy if its module was removed. */
export function retryOf(run: Run, { modules }: Known): RetryPolicy {
  return modules.get(run.module)?.retry ?? DEFAULT_RETRY;
}

/** Says how long a pod may take from its start to its end, in ms: the time that it may run, and the time to end it. */
export function runningLimitMs(pod: V1PodSpec | undefined): number {
  return (pod?.activeDeadlineSeconds ?? NO_LIMIT_SECONDS) * 1000 + endingLimitMs(pod);
}

/** Says how long a pod that is told to end may take, in ms. */
export function endingLimitMs(pod: V1PodSpec | undefined): number {
  return ((pod?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) + SLACK_SECONDS) * 1000;
}

/**
 * Says why a Job that has not started has to be replaced: the signed URL of its body is about to end, and its pod could
 * not read the body any more. Undefined if that is not so, or if the module was removed, which starts no other Job.
 */
export function endOfBodyUrl(
  { bodyInBlob, dispatchedAt, module: name }: Run,
  { modules, bodyAccess }: Known & { readonly bodyAccess: BodyAccess },
  now: EpochMs,
): AttemptEnd | undefined {
  if (bodyAccess === "identity" || !modules.has(name)) return undefined;
  const isEnding = bodyInBlob && dispatchedAt !== undefined && now - dispatchedAt >= BODY_URL_USE_MS;
  return isEnding ? BODY_URL_ENDS : undefined;
}

const BODY_URL_ENDS: AttemptEnd = {
  reason: "JobNotStarted",
  kind: "unstarted",
  permanent: false,
  detail: "its Job had not started for 6 days, and the URL of its body is good for 7: the next Job gets a new one",
};
