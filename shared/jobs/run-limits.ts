import type { Module } from "../modules/module.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "../run/retry-policy.ts";
import type { Run } from "../run/run.ts";
import { jobLimitMs } from "./job-spec.ts";

interface Known {
  readonly modules: ReadonlyMap<string, Module>;
}

/** The limit for Jobs of a removed module: a year, which limits nothing and still gives a date. */
const UNKNOWN_LIMIT_MS = 365 * 24 * 3_600_000;

/** Gives the retry policy of a run; the default policy if its module was removed. */
export function retryOf(run: Run, { modules }: Known): RetryPolicy {
  return modules.get(run.module)?.retry ?? DEFAULT_RETRY;
}

/** Says how long an attempt's Job may take in all, in ms; a year if its module was removed. */
export function jobLimitOf(run: Run, { modules }: Known): number {
  const module = modules.get(run.module);
  return module ? jobLimitMs(module) : UNKNOWN_LIMIT_MS;
}
