import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import { EntityMissingError } from "../errors.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import { oldestRuns } from "../observe/oldest-runs.ts";
import { knownSources } from "../observe/open-runs.ts";
import type { Run } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import { areMessagesMissing, FEWEST_TO_DOUBT, type HoldReason } from "../run/source-hold.ts";
import { stillOpen } from "./still-open.ts";

/** So many of the oldest runs give a second opinion, because ten are just most of them. */
const OPINION = 2 * FEWEST_TO_DOUBT - 1;

/** Messages looked for at once. */
const CONCURRENCY = 16;

/** The runs of one source whose messages a tick looked for, and those whose messages it missed, by their ids. */
export interface Looks {
  readonly source: Source;
  readonly looked: Set<string>;
  readonly missing: Map<string, Run>;
}

/** Why a source is to be held, and its runs whose messages are missing. */
interface Doubt {
  readonly because: HoldReason;
  readonly missing: readonly Run[];
}

/**
 * Says whether to doubt that the missing messages of a source are gone. Undefined if nothing is missing, or so little
 * that it may be.
 *
 * A tick that has few free slots looks for few messages, so that what it looked for may say nothing. Then it looks for
 * the messages of the oldest open runs, whatever those wait for, for a second opinion. They are the oldest, because a bus
 * that is another one since a while ago has the messages that were sent since. If the source has fewer than ten open
 * runs, the oldest of each other source are looked for too, because all of them miss their messages in another namespace.
 *
 * Nothing of this is kept, so that each replica comes to the same answer at any time. It costs nothing if no message is
 * missing. Rejects with an UnavailableError if bus or table can't be asked.
 */
export async function doubtLoss(deps: Dependencies, { source, looked, missing }: Looks): Promise<Doubt | undefined> {
  const gone = await stillOpen(deps, [...missing.values()]);
  if (gone.length === 0) return undefined;
  if (areMessagesMissing(looked.size - missing.size + gone.length, gone.length))
    return { because: "messages missing", missing: gone };
  try {
    const oldest = await lookForOldest(deps, source, OPINION);
    return (await isAnotherBus(deps, source, oldest))
      ? { because: "messages missing", missing: oldest.missing }
      : undefined;
  } catch (error) {
    if (error instanceof EntityMissingError) return { because: "entity missing", missing: [] };
    throw error;
  }
}

/** What the bus shows of some runs' messages. */
interface Opinion {
  readonly looked: number;
  readonly missing: readonly Run[];
}

async function isAnotherBus(deps: Dependencies, source: Source, { looked, missing }: Opinion): Promise<boolean> {
  if (looked >= FEWEST_TO_DOUBT) return areMessagesMissing(looked, missing.length);
  if (missing.length <= looked / 2) return false;
  let [lookedInAll, missingInAll] = [looked, missing.length];
  for (const other of await knownSources(deps)) {
    if (sourceKey(other) === sourceKey(source)) continue;
    const opinion = await opinionOf(deps, other);
    lookedInAll += opinion.looked;
    missingInAll += opinion.missing.length;
  }
  return areMessagesMissing(lookedInAll, missingInAll);
}

/** Looks for messages of another source. If its entity is missing, that is a matter of its own. */
async function opinionOf(deps: Dependencies, source: Source): Promise<Opinion> {
  try {
    return await lookForOldest(deps, source, FEWEST_TO_DOUBT);
  } catch (error) {
    if (error instanceof EntityMissingError) return { looked: 0, missing: [] };
    throw error;
  }
}

async function lookForOldest(deps: Dependencies, source: Source, count: number): Promise<Opinion> {
  const runs = await oldestRuns(deps, source, count);
  const seen = await pLimit(CONCURRENCY).map(runs, async (run) => (await lookAtMessage(deps, run)).message);
  const seemGone = runs.filter((_, index) => seen[index] === "absent");
  const missing = await stillOpen(deps, seemGone);
  return { looked: runs.length - seemGone.length + missing.length, missing };
}
