import type { Looking } from "../dependencies.ts";
import { knownSources } from "../observe/open-runs.ts";
import { isSameId, type RunKey, runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";

/**
 * Finds the runs that a run id may name, such as `thumbnails:42:1732400000000`, or `thumbnails:42:1732400000000:r1` for a
 * redrive: none, one, or two if a queue has the name of a topic's subscription.
 */
export async function runsNamed(deps: Looking, id: string): Promise<RunKey[]> {
  return keysNamed(await knownSources(deps), id);
}

/** Finds the same among these sources. */
export function keysNamed(sources: readonly Source[], id: string): RunKey[] {
  const [, , number, enqueuedAt, redrive] = /^(.+):(\d{1,15}):(\d{1,15})(?::r(\d{1,9}))?$/i.exec(id) ?? [];
  if (number === undefined) return [];
  const keys = sources.map((source): RunKey => {
    const original = { source, sequenceNumber: Number(number), enqueuedAt: Number(enqueuedAt) };
    return redrive === undefined ? original : { ...original, redrive: Number(redrive) };
  });
  return keys.filter((key) => isSameId(runId(key), id));
}

/** Finds the sources of this name, as run ids begin with it. */
export async function sourcesNamed(deps: Looking, name: string): Promise<Source[]> {
  return (await knownSources(deps)).filter((source) => sourceName(source).toLowerCase() === name.toLowerCase());
}
