import pLimit from "p-limit";
import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, EntityMissingError, unlessConflict } from "../errors.ts";
import { type ClusterView, isJobUnrecorded } from "../observe/cluster-view.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { LOST_VERDICT } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import type { SourceHold } from "../run/source-hold.ts";
import { closeRun } from "../settle/settle-message.ts";
import type { Events } from "../telemetry/events.ts";

/** Runs closed at once. */
const CONCURRENCY = 16;

/** So many runs are read at a time. */
const PAGE = 200;

/** The time that a tick takes for it, because the runs of other sources need the rest. */
const BUDGET_MS = 10_000;

/** A source whose missing messages count as lost, and its hold, which says why. */
interface LostSource {
  readonly read: SourceRuns;
  readonly hold: SourceHold;
}

/** A walk through all open runs of a source, a page at a time. */
interface Walk {
  /** Names the hold for which it was begun. */
  readonly since: EpochMs;
  readonly pages: AsyncGenerator<readonly StoredRun[]>;
  /** Whether each run that it came to was closed, or stays open because its message is there. */
  isComplete: boolean;
}

/**
 * Makes what closes the runs of a source whose missing messages count as lost, whatever the runs wait for. A tick walks
 * through as many of them as it has time for, and the next one goes on from there. Each message is looked for once more:
 * a run whose message is there stays open. A run that has its verdict is closed by it, as after any settlement whose
 * reply was lost. The others are closed as lost, and their Jobs at work are left to end. So a run whose row doesn't know
 * of its Job stays until a tick has recorded that. The hold of the source ends with a walk that left nothing to do.
 */
export function makeCloseLostRuns(deps: Dependencies) {
  // These are hints, not state: a replica that forgets them begins at the front.
  const walks = new Map<string, Walk>();

  /** Closes those of all lost sources. Rejects with an UnavailableError if the runs can't be read. */
  return async function closeLostRuns(
    sources: readonly LostSource[],
    view: ClusterView,
    events: Events,
  ): Promise<void> {
    const deadline = deps.clock.read().monotonicMs + BUDGET_MS;
    // Each source gets a page at least, so that a source which can't be finished keeps no other from its turn.
    for (const source of sources) await goOn(source, view, deadline, events);
  };

  async function goOn({ read, hold }: LostSource, view: ClusterView, deadline: number, events: Events): Promise<void> {
    const key = sourceKey(read.source);
    const known = walks.get(key);
    walks.delete(key);
    const walk =
      known?.since === hold.since ? known : { since: hold.since, pages: pagesOf(deps, read), isComplete: true };
    for (;;) {
      const page = await walk.pages.next();
      if (page.done === true) break;
      await pLimit(CONCURRENCY).map(page.value, async (stored) => {
        const isToBeRecorded = isJobUnrecorded(stored.run, deps.instance, view);
        if (isToBeRecorded || !(await closeUnlessThere(deps, stored, events))) walk.isComplete = false;
      });
      if (deps.clock.read().monotonicMs <= deadline) continue;
      walks.set(key, walk);
      return;
    }
    if (walk.isComplete) await release(deps, read.source);
  }
}

/** Gives all open runs of a source: those at work, those that wait for their time, every line, and what is held. */
async function* pagesOf(
  { table }: Dependencies,
  { source, atWork, heads, held }: SourceRuns,
): AsyncGenerator<readonly StoredRun[]> {
  for (let from = 0; from < atWork.length; from += PAGE) yield atWork.slice(from, from + PAGE);
  yield* pages((after) => table.allLater(source, PAGE, after));
  for (const { run } of heads) yield* pages((after) => table.line(source, run.module, PAGE, after));
  for (const { run } of held) yield* pages((after) => table.held(source, run.module, PAGE, after));
}

async function* pages(
  read: (after: string | undefined) => Promise<readonly StoredRun[]>,
): AsyncGenerator<readonly StoredRun[]> {
  for (let after: string | undefined; ; ) {
    const page = await read(after);
    yield page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.row;
  }
}

/** Says whether nothing is left to do: the run was closed, or stays open. If not, it is tried again. */
async function closeUnlessThere(deps: Dependencies, stored: StoredRun, events: Events): Promise<boolean> {
  const { run } = stored;
  const about = events.about({ runId: runId(run), messageId: run.messageId, module: run.module });
  try {
    if (await isMessageMissing(deps, run)) await closeRun(deps, stored, run.verdict ?? LOST_VERDICT, about);
    return true;
  } catch (error) {
    about.tell(
      error instanceof ConflictError
        ? { event: "left", cause: "moved-on" }
        : { event: "failed", what: "left a lost run to the next tick", error },
    );
    return false;
  }
}

async function isMessageMissing(deps: Dependencies, run: Run): Promise<boolean> {
  try {
    return (await lookAtMessage(deps, run)).message === "absent";
  } catch (error) {
    if (error instanceof EntityMissingError) return true;
    throw error;
  }
}

async function release({ instanceTable }: Dependencies, source: Source): Promise<void> {
  const held = (await instanceTable.heldSources()).find((one) => sourceKey(one.source) === sourceKey(source));
  // If another replica changed the hold meanwhile, it is as that replica says.
  if (held) await instanceTable.releaseSource(source, held.etag).catch(unlessConflict);
}
