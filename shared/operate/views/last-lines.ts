import pLimit from "p-limit";
import type { LookDependencies } from "../../dependencies.ts";
import { UnavailableError } from "../../errors.ts";
import { lastLine, startedContainers } from "../../jobs/pod-containers.ts";
import { type Run, runId } from "../../run/run.ts";
import { jobNameAt } from "./attempts.ts";

/** So many pods are asked at once. */
const CONCURRENCY = 8;
/** A line that is longer is shown as its end. */
const MOST_BYTES = 4_096;

/**
 * Reads the last line that the Job of each of these runs wrote, by the id of the run. Those whose container has not
 * started, or has written nothing, are left out, and so are all that can't be asked. Costs two requests to the cluster
 * for each run.
 */
export async function lastLines(deps: LookDependencies, runs: readonly Run[]): Promise<ReadonlyMap<string, string>> {
  const lines = await pLimit(CONCURRENCY).map([...runs], async (run) => {
    try {
      const line = await lastLineOf(deps, jobNameAt(deps, run, run.attempt));
      return line === undefined ? [] : [[runId(run), line] as const];
    } catch (error) {
      if (error instanceof UnavailableError) return [];
      throw error;
    }
  });
  return new Map(lines.flat());
}

async function lastLineOf({ cluster }: LookDependencies, jobName: string): Promise<string | undefined> {
  const pod = (await cluster.pods(jobName)).at(-1);
  for (const container of pod ? startedContainers(pod).toReversed() : []) {
    const log = await cluster.log(pod?.metadata?.name ?? "", container, MOST_BYTES);
    const line = log && lastLine(Buffer.from(log.buffer, log.byteOffset, log.byteLength).toString("utf8"));
    if (line !== undefined) return line;
  }
  return undefined;
}
