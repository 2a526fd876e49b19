import type { ClosedRun, Run } from "../../shared/run/run.ts";

/** Writes the last error of a run. That of a run that succeeded is an earlier attempt's. */
export function lastErrorText({ status, lastError = "" }: Pick<Run | ClosedRun, "status" | "lastError">): string {
  return status === "succeeded" ? `${lastError} (of an earlier attempt; the run succeeded since)` : lastError;
}
