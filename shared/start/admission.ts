import type { Clock } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { RunInSlot, RunsAtWork, RunTable, SlotsAtWork } from "../ports/run-table.ts";
import { makeRecent, type Recent } from "../recent.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import type { Limits } from "./limits.ts";
import { countTaken, countUnsettled, freeSlots, holdsSlot, isBackedUp } from "./slot-demand.ts";

/** A slot of a run that is being started. */
export interface TakenSlot {
  /** The start is over: from the next count on, the run's row alone says whether it holds a slot. */
  release(): void;
}

/**
 * Gives the slots under `maxActive`, or under a person's limit: to messages that were just delivered, and to waiting runs
 * in a tick.
 */
export interface Admission<AtWork = RunsAtWork> {
  /** Takes a slot for a message that was just delivered; undefined if there is none, or a run waits in line for one. */
  admit(module: Module, run: Run): Promise<TakenSlot | undefined>;
  /** Takes a slot for a run that a tick starts; undefined if there is none. */
  take(module: Module, run: Run): TakenSlot | undefined;
  /** Counts a slot for a run whose Job turned out to exist, also if none is free. */
  occupy(module: Module, run: Run): TakenSlot;
  /**
   * A write of this process says that a run's Job is over: its slot is free, and another run may have it. Changes
   * nothing if the last count did not count the run.
   */
  vacate(run: Run): void;
  /** Says how many slots of a module are free, by the last count; none if it is backed up. */
  free(module: Module): number;
  /** Says whether nothing more of a module starts, because too many of its runs wait to be settled. */
  isBackedUp(module: Module): boolean;
  /** Reads the runs of a source that are at work, and counts their slots. A tick does so first. */
  countAtWork(source: Source): Promise<AtWork>;
  /** Forgets who waits in line, because a tick has just started those for whom there was a slot. */
  lookAtLinesAgain(): void;
}

/** What the rows at work of one source said, by the modules' names. */
interface Count {
  readonly taken: Map<string, number>;
  /** The runs that were counted as taken, or have taken a slot since, by their ids. */
  readonly holders: Set<string>;
  readonly unsettled: ReadonlyMap<string, number>;
}

/**
 * Admits the oldest first, under `maxActive`. The counts are derived from the rows and never kept, so that no leak can
 * stop dispatch for ever. What this process is starting counts as well, because its row may not say so yet. Each
 * replica counts for itself, so N replicas may overshoot by what N - 1 of them start within ten seconds.
 */
export function makeAdmission<AtWork extends SlotsAtWork>(
  table: Pick<RunTable, "line"> & { atWork(source: Source): Promise<AtWork> },
  clock: Clock,
  limits: Pick<Limits, "slotsOf">,
): Admission<AtWork> {
  /** What was counted last of each source. It is set in the moment in which the count ends, so that it misses no start. */
  const counts = new Map<string, Count>();
  /** When that was. */
  const counted = new Map<string, Recent<void>>();
  /** Whether a run waits in a module's line, by the module's name. */
  const lines = new Map<string, Recent<boolean>>();
  /** The runs that this process is starting, by their ids. */
  const starting = new Map<string, Run>();
  const countsUnderWay = new Set<SinceCount>();

  async function countAtWork(source: Source): Promise<AtWork> {
    // Runs of other sources do no harm: they are of other modules.
    const since: SinceCount = { started: new Map(starting), vacated: new Set() };
    countsUnderWay.add(since);
    try {
      const atWork = await table.atWork(source);
      const runs = atWork.runs
        .map(({ run }) => run)
        .filter((run) => run.status !== "dispatched" || since.vacated.size === 0 || !since.vacated.has(runId(run)));
      const read = asStarted(runs, since.started);
      const newer = atWork.newer.map((module) => ({ module, status: "dispatched", notBefore: 0 }) as const);
      const now = clock.now();
      counts.set(sourceKey(source), {
        taken: countTaken([...read, ...newer], now),
        holders: new Set(read.filter((run) => holdsSlot(run, now)).map(runId)),
        unsettled: countUnsettled(read),
      });
      recentOf(counted, sourceKey(source)).note();
      return atWork;
    } finally {
      countsUnderWay.delete(since);
    }
  }

  function recentOf<T>(all: Map<string, Recent<T>>, key: string): Recent<T> {
    const recent = all.get(key) ?? makeRecent<T>(clock);
    all.set(key, recent);
    return recent;
  }

  const lineOf = ({ name }: Module) => recentOf(lines, name);
  const countOf = ({ source }: Module) => counts.get(sourceKey(source));
  const isBackedUpNow = (module: Module): boolean =>
    isBackedUp(module, limits.slotsOf(module), countOf(module)?.unsettled.get(module.name));
  const free = (module: Module): number => {
    const taken = countOf(module)?.taken;
    return taken === undefined || isBackedUpNow(module) ? 0 : freeSlots(limits.slotsOf(module), taken.get(module.name));
  };

  function take(module: Module, run: Run): TakenSlot | undefined {
    const count = countOf(module);
    const id = runId(run);
    // A tick takes over a start that a trigger did not get through with: that is one slot and not two.
    const hasSlot = starting.has(id) || count?.holders.has(id) === true;
    return count && (hasSlot || free(module) > 0) ? occupy(module, run) : undefined;
  }

  function occupy(module: Module, run: Run): TakenSlot {
    const id = runId(run);
    const slot = { release: () => void starting.delete(id) };
    if (starting.has(id)) return slot;
    const count = countOf(module);
    if (count && !count.holders.has(id)) count.taken.set(module.name, (count.taken.get(module.name) ?? 0) + 1);
    count?.holders.add(id);
    starting.set(id, run);
    for (const since of countsUnderWay) {
      since.started.set(id, run);
      since.vacated.delete(id);
    }
    return slot;
  }

  function vacate(run: Run): void {
    const id = runId(run);
    for (const since of countsUnderWay) since.vacated.add(id);
    const count = counts.get(sourceKey(run.source));
    if (count?.holders.delete(id)) count.taken.set(run.module, (count.taken.get(run.module) ?? 1) - 1);
  }

  return {
    take,
    occupy,
    vacate,
    free,
    isBackedUp: isBackedUpNow,
    countAtWork,
    lookAtLinesAgain: () => lines.clear(),
    async admit(module, run) {
      const { source, name } = module;
      await lineOf(module).get(async () => (await table.line(source, name, 1)).length > 0);
      if (lineOf(module).last()) return undefined;
      await recentOf(counted, sourceKey(source)).get(async () => void (await countAtWork(source)));
      const slot = take(module, run);
      // This message is the first in line now, and those that come after it wait as well.
      if (!slot) lineOf(module).note(true);
      return slot;
    },
  };
}

/** What happened since a count began, whose rows may be older or newer. */
interface SinceCount {
  /** The runs that were being started at any time since. */
  readonly started: Map<string, Run>;
  /** The runs that have given up their slots since, by their ids. */
  readonly vacated: Set<string>;
}

/** Takes the runs that were being started for dispatched, whether their rows were read before or not at all. */
function asStarted(runs: readonly RunInSlot[], starting: ReadonlyMap<string, Run>): readonly RunInSlot[] {
  if (starting.size === 0) return runs;
  const unread = new Map(starting);
  const read = runs.map((run): RunInSlot => {
    const isStarting = unread.delete(runId(run));
    const hasNoJob = run.status === "accepted" || run.status === "waiting";
    return isStarting && hasNoJob ? { ...run, status: "dispatched" } : run;
  });
  return [...read, ...[...unread.values()].map((run): Run => ({ ...run, status: "dispatched" }))];
}
