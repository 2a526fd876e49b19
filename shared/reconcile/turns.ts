import type { Dependencies } from "../dependencies.ts";
import type { SourcesInTick } from "../holds/source-holds.ts";
import type { Module } from "../modules/module.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { byTurn, runId } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import type { Events } from "../telemetry/events.ts";

/** So many more runs than there are free slots have their turn, because some of them don't start. */
const SPARE = 20;

/** The waiting runs of one source that have their turn in this tick, and those that have to queue up first. */
export interface Turns {
  /** The oldest due runs of each module, about as many as it has free slots. */
  readonly next: readonly StoredRun[];
  /** The others that have come due. They join the line, at the place that their age gives them. */
  readonly joining: readonly StoredRun[];
  /** The first of each line that has no turn. The tick says why. */
  readonly first: readonly StoredRun[];
}

/** What decides whose turn it is. */
interface TurnFacts {
  readonly admission: Pick<Admission, "free">;
  readonly breakers: Pick<Breakers, "tripOf">;
  /** The runs of tripped modules that are tried in this tick, by the modules' names. */
  readonly probes: ReadonlyMap<string, StoredRun>;
}

/**
 * Says whose turn it is: of each module the runs that have been due and those that have just come due, the one enqueued
 * first at the front. It reads only as much of a line as the module has free slots.
 */
export async function takeTurns(
  deps: Dependencies,
  { source, due, heads }: SourceRuns,
  facts: TurnFacts,
): Promise<Turns> {
  const next: StoredRun[] = [];
  for (const module of modulesOf(deps, source)) {
    const free = facts.admission.free(module);
    if (free === 0) continue;
    if (facts.breakers.tripOf(module)) {
      const probe = facts.probes.get(module.name);
      if (probe) next.push(probe);
      continue;
    }
    const most = free + SPARE;
    const hasLine = heads.some(({ run }) => run.module === module.name);
    const line = hasLine ? await deps.table.line(source, module.name, most) : [];
    const candidates = [...line, ...due.filter(({ run }) => run.module === module.name)];
    next.push(...candidates.toSorted((a, b) => byTurn(a.run, b.run)).slice(0, most));
  }
  const chosen = new Set(next.map(({ run }) => runId(run)));
  const isLeftOver = ({ run }: StoredRun) => !chosen.has(runId(run));
  return { next, joining: due.filter(isLeftOver), first: heads.filter(isLeftOver) };
}

/** What keeps every probe from starting. */
interface ProbeFacts {
  readonly wrongCluster: boolean;
  readonly sources: Pick<SourcesInTick, "isHeld">;
}

/**
 * Makes the choice of the runs by which tripped modules are tried: one of each module whose time has come, unless a Job
 * that was made since it tripped may still start. A probe that could not start just now is not taken, because the next
 * one would have to wait for twice as long. Each probe takes the next run in line, so that no message that fails
 * by itself keeps its module tripped.
 */
export function makeTakeProbes(deps: Dependencies, breakers: Breakers, admission: Pick<Admission, "free">) {
  // The row of the last probe of each module. It is a hint, not state: a replica that forgets it begins at the front.
  const probed = new Map<string, string>();

  return async function takeProbes(
    all: readonly SourceRuns[],
    { wrongCluster, sources }: ProbeFacts,
    events: Events,
  ): Promise<ReadonlyMap<string, StoredRun>> {
    const now = deps.clock.now();
    const probes = new Map<string, StoredRun>();
    if (wrongCluster) return probes;
    for (const { source, atWork, due } of all) {
      if (sources.isHeld(source)) continue;
      for (const module of modulesOf(deps, source)) {
        const trip = breakers.tripOf(module);
        if (!trip || now < trip.probeAt || admission.free(module) === 0) continue;
        const mayStart = atWork.some(
          ({ run }) =>
            run.module === module.name && run.status === "dispatched" && (run.dispatchedAt ?? 0) >= trip.trippedAt,
        );
        if (mayStart) continue;
        const next = (await nextInLine(source, module)) ?? due.find(({ run }) => run.module === module.name);
        if (!next || !(await breakers.takeProbe(module, events))) continue;
        probed.set(module.name, next.row);
        probes.set(module.name, next);
      }
    }
    return probes;
  };

  async function nextInLine(source: Source, { name }: Module): Promise<StoredRun | undefined> {
    const behind = await deps.table.line(source, name, 1, probed.get(name));
    const [next] = behind.length > 0 ? behind : await deps.table.line(source, name, 1);
    return next;
  }
}

function modulesOf({ modules }: Pick<Dependencies, "modules">, source: Source): Module[] {
  return [...modules.values()].filter((module) => sourceKey(module.source) === sourceKey(source));
}
