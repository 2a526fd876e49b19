import type { Clock, EpochMs } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { RunTable } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";

/** How old a count of the open runs may be before a trigger counts again. */
const MAX_COUNT_AGE_MS = 10_000;

interface ModuleCount {
  active: number;
  /** Waiting runs whose time has come: they are older than any message that arrives now. */
  due: number;
}

/** Says whether a message that was just accepted may start at once, or waits its turn. */
export interface Admission {
  /** Whether the module has room now. Counts the Job as started when it has. */
  admits(module: Module): Promise<boolean>;
  /** A fresh count, from whoever has just read all the open rows of a source. */
  recount(source: Source, runs: readonly Run[]): void;
  /** Whether messages of a source have to wait, whatever room there is: the cluster that they would start in is not to be believed. */
  hold(source: Source, isHeld: boolean): void;
}

/**
 * Oldest first under `maxActive`. The counts are derived from the rows, never kept, so that no leak can stop dispatch for ever; each process
 * counts for itself, so N processes may overshoot by what N - 1 of them start within ten seconds.
 */
export function makeAdmission(table: RunTable, clock: Clock): Admission {
  const counts = new Map<string, { takenAt: EpochMs; modules: Map<string, ModuleCount> }>();
  const counting = new Map<string, Promise<void>>();
  // A hint of the last tick, not state: a process that forgets it starts no more than the next tick's worth.
  const held = new Set<string>();

  function recount(source: Source, runs: readonly Run[]): void {
    const takenAt = clock.now();
    const modules = new Map<string, ModuleCount>();
    for (const run of runs) {
      const count = modules.get(run.module) ?? { active: 0, due: 0 };
      if (run.status === "dispatched") count.active += 1;
      if (run.status === "waiting" && run.notBefore <= takenAt) count.due += 1;
      modules.set(run.module, count);
    }
    counts.set(sourceKey(source), { takenAt, modules });
  }

  async function count(source: Source): Promise<void> {
    const runs = await table.openRuns(source);
    recount(
      source,
      runs.map(({ run }) => run),
    );
  }

  return {
    recount,
    hold(source, isHeld) {
      if (isHeld) held.add(sourceKey(source));
      else held.delete(sourceKey(source));
    },
    async admits(module) {
      const key = sourceKey(module.source);
      if (held.has(key)) return false;
      const known = counts.get(key);
      if (!known || clock.now() - known.takenAt > MAX_COUNT_AGE_MS) {
        // One count at a time: a burst of messages shares it.
        const running = counting.get(key) ?? count(module.source).finally(() => counting.delete(key));
        counting.set(key, running);
        await running;
      }
      const modules = counts.get(key)?.modules;
      if (!modules) return false;
      const own = modules.get(module.name) ?? { active: 0, due: 0 };
      modules.set(module.name, own);
      if (own.due > 0 || own.active >= module.maxActive) return false;
      own.active += 1;
      return true;
    },
  };
}
