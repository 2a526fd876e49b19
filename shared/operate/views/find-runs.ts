import type { LookDependencies } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import { type ClosedRun, type Run, type RunKey, runId } from "../../run/run.ts";
import { runsNamed } from "../run-named.ts";

/** What a person may know of a run: its own id, or an id that the sender gave its message. */
type RunIdKind = "run id" | "message id" | "correlation id";

/** The runs that an id may mean. */
export interface RunsFound {
  readonly by: RunIdKind;
  /** The newest of each source last. */
  readonly keys: readonly RunKey[];
  /** Whether there may be more of them. */
  readonly isMore: boolean;
}

/** So many runs of each source are found. */
const MOST_FOUND = 100;

/**
 * Finds the runs that an id may mean: one whose own id it is, such as `thumbnails:42:1732400000000`; or else those whose
 * messages have it as their id; or else those whose messages have it as their correlation id. Undefined if there are
 * none. Senders' ids need not be unique, and runs that a release began before it noted them are found by their own id
 * alone. Costs the list of sources, and up to three requests to the table for a run id, and one for each source and each
 * other kind.
 */
export async function findRuns(deps: LookDependencies, id: string): Promise<RunsFound | undefined> {
  const { table } = deps;
  const named: RunKey[] = [];
  for (const key of await runsNamed(deps, id)) if ((await table.find(key)).kind !== "none") named.push(key);
  if (named.length > 0) return { by: "run id", keys: named, isMore: false };
  const sources = await knownSources(deps);
  for (const by of ["message id", "correlation id"] as const) {
    const found = await Promise.all(
      sources.map((source) =>
        by === "message id"
          ? table.withMessageId(source, id, MOST_FOUND)
          : table.withCorrelationId(source, id, MOST_FOUND),
      ),
    );
    if (found.some((keys) => keys.length > 0))
      return { by, keys: found.flat(), isMore: found.some((keys) => keys.length === MOST_FOUND) };
  }
  return undefined;
}

/** A run that was found. What its row says is missing if a newer release wrote it, or if it went meanwhile. */
export type RunFound = RunKey & { readonly id: string } & Partial<
    Pick<Run | ClosedRun, "status" | "module" | "messageId">
  >;

/** Finds runs as `findRuns` does, and says of each what a list of them shows. Costs one more request for each run. */
export async function searchRuns(
  deps: LookDependencies,
  id: string,
): Promise<Omit<RunsFound, "by" | "keys"> & { readonly by?: RunIdKind; readonly runs: readonly RunFound[] }> {
  const found = await findRuns(deps, id);
  if (!found) return { runs: [], isMore: false };
  const { by, keys, isMore } = found;
  return { by, runs: await Promise.all(keys.map((key) => rowOf(deps, key))), isMore };
}

async function rowOf({ table }: LookDependencies, { source, sequenceNumber, enqueuedAt }: RunKey): Promise<RunFound> {
  const key = { source, sequenceNumber, enqueuedAt };
  const row = await table.find(key);
  const named = { id: runId(key), ...key };
  if (row.kind !== "open" && row.kind !== "closed") return named;
  const { status, module, messageId } = row.kind === "open" ? row.stored.run : row.run;
  return { ...named, status, module, messageId };
}
