import type { LookDependencies } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import type { Action } from "../../run/action.ts";
import { type RunKey, runId } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";

/** Which part of the action log is asked for. */
export interface ActionsAsked {
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string;
  /** Only what was done to this run. */
  readonly run?: RunKey;
}

/** An action, and where it was done. */
export interface ActionShown extends Action {
  readonly id: string;
  /** The source of the run that it changed; undefined if it changed no run. */
  readonly source?: string;
}

/** A page of the action log, the newest action first. */
export interface ActionPage {
  readonly actions: readonly ActionShown[];
  /** What to ask for the page behind it; undefined if this is the last. */
  readonly next?: string;
}

/**
 * Reads a page of the action log, merged over the instance and all of its sources. Costs one request for each of them, or
 * for the run's source alone.
 */
export async function readActions(deps: LookDependencies, { limit, after, run }: ActionsAsked): Promise<ActionPage> {
  const read = async (source: Source | undefined): Promise<ActionShown[]> => {
    const found = await deps.instanceTable.actions(source, limit + 1, after, run && runId(run));
    const at = source === undefined ? {} : { source: sourceName(source) };
    return found.map(({ id, action }) => ({ id, ...at, ...action }));
  };
  const places = run ? [run.source] : [undefined, ...(await knownSources(deps))];
  const all = await Promise.all(places.map(read));
  const merged = all.flat().toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const actions = merged.slice(0, limit);
  const last = actions.at(-1);
  return merged.length > limit && last ? { actions, next: last.id } : { actions };
}

/** More of one run would help nobody. */
const MOST_OF_RUN = 20;

/** Lists what persons did to a run, the newest first, 20 at most. Costs one request. */
export async function actionsOn({ instanceTable }: LookDependencies, run: RunKey): Promise<readonly Action[]> {
  return (await instanceTable.actions(run.source, MOST_OF_RUN, undefined, runId(run))).map(({ action }) => action);
}
