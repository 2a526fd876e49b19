import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { ClusterView } from "../observe/cluster-view.ts";
import { messagesWithoutOpenRun } from "../observe/orphan-messages.ts";
import { rebuildRun } from "../observe/rebuild-run.ts";
import type { StoredClosedRun, StoredRun } from "../ports/run-table.ts";
import { reopened } from "../run/change-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import { type RunKey, runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import { ownerOf } from "../run/stamp.ts";
import { settleDeferred } from "../settle/settle-message.ts";
import type { Events } from "../telemetry/events.ts";

/** What a tick knows of the source that it sweeps. */
interface Swept {
  readonly source: Source;
  readonly atWork: readonly StoredRun[];
  /** Lists the Jobs, if this tick has not done so. */
  readonly view: () => Promise<ClusterView>;
  /** Whether the time is over. Then the next tick goes on from here. */
  readonly isOver: () => boolean;
}

/** Messages peeked at per source and page. */
const PAGE = 50;

/** What one page of a sweep came to. */
export interface SweptPage {
  /** Whether the sweep is through, so that the next page is the first one again. */
  readonly isThrough: boolean;
  /** Whether a message had to be given its run back, or be settled late, or it could not be told. */
  readonly hasFound: boolean;
}

/**
 * Walks through a source, a page at a time, for deferred messages that no open run speaks of, because nothing else would
 * ever find them. It touches only messages with this instance's own stamp, and reports the others. It is safe beside a
 * settlement in flight, because it asks for the row after the peek.
 */
export async function sweep(
  deps: Dependencies,
  { source, atWork, view, isOver }: Swept,
  events: Events,
): Promise<SweptPage> {
  const { broker, instanceTable } = deps;
  const cursor = await instanceTable.sweepCursor(source);
  const page = await broker.browse(source, cursor, PAGE);
  const owner = await instanceTable.owner();
  const last = page.at(-1);
  let next = last && page.length === PAGE ? last.sequenceNumber + 1 : 0;
  let foreign = 0;
  let hasFound = false;
  for (const { key, message } of await messagesWithoutOpenRun(deps, source, page, atWork)) {
    if (isOver()) {
      next = message.sequenceNumber;
      break;
    }
    // guard: owner-stamp
    if (ownerOf(message) !== owner) {
      foreign += 1;
      continue;
    }
    const about = events.about({ runId: runId(key), messageId: message.messageId });
    try {
      if (await findHome(deps, key, message, view, about)) hasFound = true;
    } catch (error) {
      hasFound = true;
      // The sweep goes on, because it would never get past a message that fails each time.
      about.tell({ event: "failed", what: "left a deferred message to the next sweep", error });
    }
  }
  if (foreign > 0) events.tell({ event: "foreign messages found", source: sourceName(source), count: foreign });
  if (next !== cursor) await instanceTable.saveSweepCursor(source, next);
  return { isThrough: next === 0, hasFound };
}

/**
 * Finds out why no open run speaks of a deferred message, and mends it if only the table was wrong. Resolves to whether
 * there was something to mend. Usually the run was only opened, or closed, since the rows were read.
 */
export async function findHome(
  deps: Dependencies,
  key: RunKey,
  message: PeekedMessage,
  view: () => Promise<ClusterView>,
  events: Events,
): Promise<boolean> {
  const found = await deps.table.find(key);
  if (found.kind === "open" || found.kind === "newer") return false;
  if (found.kind === "closed") return finish(deps, found, events);
  const run = await rebuildRun(deps, key, message, await view());
  events.tell({ event: "orphan found", orphan: "message", leftAlone: run === undefined });
  if (!run) return false;
  if (await isFirst(deps.table.insert(run))) events.tell({ event: "rebuilt", run });
  return true;
}

/**
 * The message of a closed run is still deferred: it was taken for gone, or its settlement did not take effect. Resolves
 * to false if it is deferred no more.
 */
async function finish(deps: Dependencies, found: StoredClosedRun, events: Events): Promise<boolean> {
  const { run } = found;
  if (run.status === "lost") {
    events.tell({ event: "orphan found", orphan: "message", leftAlone: false });
    const open = reopened(run, deps.clock.now());
    if (await isFirst(deps.table.reopen(found, open))) events.tell({ event: "reopened", run: open });
    return true;
  }
  // Either the run was closed as gone and its message is there after all, or it was closed just now, and then this
  // receive finds nothing.
  const outcome = run.verdict && (await settleDeferred(deps, { ...run, status: "settling" }, run.verdict));
  if (outcome === "missing") return false;
  events.tell({ event: "orphan found", orphan: "message", leftAlone: false });
  if (outcome === "done") events.tell({ event: "settled late" });
  return true;
}

/** Says whether this write was made; false if another process was faster. */
export async function isFirst(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}
