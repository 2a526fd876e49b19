import pLimit from "p-limit";
import type { LookDependencies } from "../../dependencies.ts";
import { UnavailableError } from "../../errors.ts";
import { lastLine, startedContainers } from "../../jobs/pod-containers.ts";
import { knownSources } from "../../observe/open-runs.ts";
import type { RunKey } from "../../run/run.ts";
import { keysNamed } from "../run-named.ts";
import { jobNameAt } from "./attempts.ts";

/** So many runs are looked at at once. */
const CONCURRENCY = 8;
/** A line that is longer is shown as its end. */
const MOST_BYTES = 4_096;

/**
 * Reads the last line that the Job of each of these runs wrote, by the id of the run. Those that are not at work, whose
 * containers have not started, or have written nothing, are left out, and so are those about which table or cluster can't
 * be asked. Costs the list of sources, and for each run mostly one request to the table and two to the cluster; one more
 * to the cluster for each container that has written nothing.
 */
export async function lastLines(
  deps: LookDependencies,
  runIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const sources = await knownSources(deps);
  const lines = await pLimit(CONCURRENCY).map([...runIds], async (id) => {
    const [key, another] = keysNamed(sources, id);
    if (!key || another) return [];
    try {
      const line = await lastLineOf(deps, key);
      return line === undefined ? [] : [[id, line] as const];
    } catch (error) {
      if (error instanceof UnavailableError) return [];
      throw error;
    }
  });
  return new Map(lines.flat());
}

async function lastLineOf(deps: LookDependencies, key: RunKey): Promise<string | undefined> {
  const row = await deps.table.find(key);
  if (row.kind !== "open" || row.stored.run.status !== "dispatched") return undefined;
  const { run } = row.stored;
  const pod = (await deps.cluster.pods(jobNameAt(deps, run, run.attempt))).at(-1);
  for (const container of pod ? startedContainers(pod).toReversed() : []) {
    const log = await deps.cluster.log(pod?.metadata?.name ?? "", container, MOST_BYTES);
    const line = log && lastLine(Buffer.from(log.buffer, log.byteOffset, log.byteLength).toString("utf8"));
    if (line !== undefined) return line;
  }
  return undefined;
}
