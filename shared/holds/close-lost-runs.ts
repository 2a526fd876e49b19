import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, EntityMissingError, unlessConflict } from "../errors.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { LOST_VERDICT } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import { closeRun } from "../settle/settle-message.ts";
import type { Events } from "../telemetry/events.ts";

/** Runs closed at once. */
const CONCURRENCY = 16;

/** So many runs of each line are closed in a tick. */
const MOST_OF_LINE = 1_000;

/**
 * Closes the runs of a source whose messages count as lost, as far as a tick can read them. Each message is looked for
 * once more: a run whose message is there stays open. A run that has its verdict is closed by it, as after any
 * settlement whose reply was lost. The others are closed as lost, and their Jobs at work are left to end. The hold of
 * the source ends when no run is left to close. Rejects with an UnavailableError if the runs can't be read.
 */
export async function closeLostRuns(
  deps: Dependencies,
  { source, atWork, due, heads, held: heldHeads, othersWait }: SourceRuns,
  events: Events,
  isOver: () => boolean,
): Promise<void> {
  const lines = await Promise.all(heads.map(({ run }) => deps.table.line(source, run.module, MOST_OF_LINE)));
  const held = await Promise.all(heldHeads.map(({ run }) => deps.table.held(source, run.module, MOST_OF_LINE)));
  let isDone = !othersWait;
  await pLimit(CONCURRENCY).map([...atWork, ...due, ...lines.flat(), ...held.flat()], async (stored) => {
    if (isOver() || !(await isToStay(deps, stored, events))) isDone = false;
  });
  if (isDone) await release(deps, source);
}

/** Says whether the run stays open because its message is there. If not, the run was closed, or is tried again. */
async function isToStay(deps: Dependencies, stored: StoredRun, events: Events): Promise<boolean> {
  const { run } = stored;
  const about = events.about({ runId: runId(run), messageId: run.messageId, module: run.module });
  try {
    if (!(await isMessageMissing(deps, run))) return true;
    await closeRun(deps, stored, run.verdict ?? LOST_VERDICT, about);
  } catch (error) {
    about.tell(
      error instanceof ConflictError
        ? { event: "left", cause: "moved-on" }
        : { event: "failed", what: "left a lost run to the next tick", error },
    );
  }
  return false;
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
