import type { Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { EntityMissingError } from "../errors.ts";
import type { SourcesInTick } from "../holds/source-holds.ts";
import type { ClusterView } from "../observe/cluster-view.ts";
import { hasRuns, type SourceRuns } from "../observe/open-runs.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import type { Limits } from "../start/limits.ts";
import type { Events } from "../telemetry/events.ts";
import { makeCompareLetters } from "./compare-letters.ts";
import { makeDeleteOrphanBodies } from "./orphan-bodies.ts";
import { sweep } from "./sweep.ts";
import { makeSweepPace } from "./sweep-pace.ts";
import { makeFindUndelivered } from "./undelivered.ts";

/**
 * Housekeeping has a time budget of its own, so that a tick which is busy with its runs still looks for what got lost.
 */
const BUDGET_MS = 30_000;

/** Listing costs more than other requests. It is done by every tick that lists the Jobs, if that is one a minute. */
const ORPHAN_BODIES_EVERY_MS = 55_000;
const PURGE_EVERY_MS = 3_600_000;
const PURGE_LIMIT = 1_000;

interface Task {
  readonly name: string;
  do(): Promise<void>;
}

/** What a tick does besides advancing runs. */
interface Housekeeping {
  /** Looks for what got lost. `isLight`: a sweep is left to the next tick that lists, unless it is hurried. */
  keep(
    all: readonly SourceRuns[],
    tick: {
      readonly isLight: boolean;
      readonly view: () => Promise<ClusterView>;
      readonly sources: Pick<SourcesInTick, "isHeld" | "entityMissing">;
    },
    events: Events,
  ): Promise<void>;
  /** Whether a sweep is hurried, or there is more to purge than one tick could do, so that the next one has to go on. */
  isBehind(): boolean;
}

/**
 * Makes what a tick does besides advancing runs: a page of each source's sweep, a look for its messages that are not
 * delivered, a page of its stored bodies, the limits that have ended, the purge of the history and of what is noted of
 * dead letters. Each tick begins with another task, so that a task that fails or is slow keeps no other from its turn.
 */
export function makeHousekeeping(deps: Dependencies, limits: Pick<Limits, "removeEnded">): Housekeeping {
  // These are hints for the next tick, not state: a replica that forgets them only looks a tick later.
  const swept = new Set([...deps.modules.values()].map(({ source }) => sourceKey(source)));
  const deleteOrphanBodies = makeDeleteOrphanBodies(deps);
  const findUndelivered = makeFindUndelivered(deps);
  const compareLetters = makeCompareLetters(deps);
  // Ticks that list the Jobs have a turn of their own: they come at a fixed distance, and have more tasks.
  const turns = { light: 0, listing: 0 };
  let lastOrphanBodies: Reading | undefined;
  let lastPurge: Reading | undefined;
  let isPurgeLeft = false;
  const pace = makeSweepPace();

  const keep: Housekeeping["keep"] = async (all, { isLight, view, sources }, events) => {
    const deadline = deps.clock.read().monotonicMs + BUDGET_MS;
    const isOver = () => deps.clock.read().monotonicMs > deadline;
    const noteMissing = (source: Source) => (error: unknown) => {
      if (!(error instanceof EntityMissingError)) throw error;
      sources.entityMissing(source);
    };
    const tasks: Task[] = [
      // A removed source starts nothing new, and its entity may be gone, so it is swept only if it has runs.
      ...all
        .filter((read) => !sources.isHeld(read.source) && (hasRuns(read) || swept.has(sourceKey(read.source))))
        .filter(({ source }) => !isLight || pace.isHurried(source))
        .map((read) => ({
          name: `sweep of ${sourceName(read.source)}`,
          // guard: sweep
          do: () => sweepOf({ ...read, view, isOver }, events).catch(noteMissing(read.source)),
        })),
      // Only the sources of modules have a trigger.
      ...all
        .filter(({ source }) => !sources.isHeld(source) && swept.has(sourceKey(source)))
        .map((read) => ({
          name: `undelivered messages of ${sourceName(read.source)}`,
          do: () => findUndelivered(read, events).catch(noteMissing(read.source)),
        })),
      {
        name: "orphaned bodies",
        // guard: orphan-bodies
        do: () => orphanBodies(all, events),
      },
      { name: "ended limits", do: () => limits.removeEnded() },
      { name: "purge", do: purge },
      ...all
        .filter(({ source }) => !sources.isHeld(source))
        .map(({ source }) => ({
          name: `notes of the dead letters of ${sourceName(source)}`,
          do: () => compareLetters(source, events, isOver).catch(noteMissing(source)),
        })),
    ];
    const first = turns[isLight ? "light" : "listing"]++ % tasks.length;
    for (const task of [...tasks.slice(first), ...tasks.slice(0, first)]) {
      if (isOver()) return;
      try {
        await task.do();
      } catch (error) {
        events.tell({
          event: "failed",
          what: "left housekeeping to the next tick",
          error,
          fields: { task: task.name },
        });
      }
    }
  };

  async function sweepOf(swept: Parameters<typeof sweep>[1], events: Events): Promise<void> {
    // If it fails, the next tick that lists tries again.
    pace.rest(swept.source);
    pace.note(swept.source, await sweep(deps, swept, events));
  }

  async function orphanBodies(all: readonly SourceRuns[], events: Events): Promise<void> {
    const now = deps.clock.read();
    if (isWithin(ORPHAN_BODIES_EVERY_MS, lastOrphanBodies, now)) return;
    for (const source of all) await deleteOrphanBodies(source, events);
    lastOrphanBodies = now;
  }

  /**
   * Purges the history and the action log every hour; and in every tick as long as a page comes back full, because the
   * history would outgrow it.
   */
  async function purge(): Promise<void> {
    const now = deps.clock.read();
    if (isWithin(PURGE_EVERY_MS, lastPurge, now)) return;
    let isDone = true;
    const before = deps.clock.now() - deps.historyRetentionMs;
    const sources = await deps.instanceTable.sources();
    for (const source of sources)
      if ((await deps.table.purge(source, before, PURGE_LIMIT)) >= PURGE_LIMIT) isDone = false;
    for (const source of [undefined, ...sources])
      if ((await deps.instanceTable.purgeActions(source, before, PURGE_LIMIT)) >= PURGE_LIMIT) isDone = false;
    isPurgeLeft = !isDone;
    if (isDone) lastPurge = now;
  }

  return { keep, isBehind: () => isPurgeLeft || pace.isAnyHurried() };
}

function isWithin(ms: number, last: Reading | undefined, now: Reading): boolean {
  return last !== undefined && now.monotonicMs - last.monotonicMs < ms;
}
