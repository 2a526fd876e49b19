import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import { route } from "../modules/route.ts";
import type { PeekedMessage } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { reopened } from "../run/change-run.ts";
import { type RunKey, runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import { logFailure } from "./log-failure.ts";
import { rebuildRun } from "./rebuild-run.ts";
import { settleMessage } from "./settle-message.ts";
import type { ClusterView } from "./snapshot.ts";
import type { Tally } from "./tally.ts";

/** What a tick knows of the source that it sweeps. */
interface Swept {
  readonly source: Source;
  readonly runs: readonly StoredRun[];
  readonly view: ClusterView;
  /** Whether the time is over: then the next tick goes on from here. */
  readonly isOver: () => boolean;
}

/** Messages peeked at per source and tick. */
const PAGE = 50;

/**
 * Walks through a source, a page per tick, for deferred messages that no open run speaks of: nobody else would ever find them. Only messages
 * with this Dispatcher's own stamp are touched; others are reported. Safe beside a settlement in flight: the row is asked after the peek.
 */
export async function sweep(
  deps: Dependencies,
  { source, runs, view, isOver }: Swept,
  tally: Tally,
  log: Log,
): Promise<void> {
  const { broker, table } = deps;
  const cursor = await table.sweepCursor(source);
  const page = await broker.browse(source, cursor, PAGE);
  const owner = await table.owner();
  const open = new Set(runs.map(({ run }) => runId(run)));
  const last = page.at(-1);
  let next = last && page.length === PAGE ? last.sequenceNumber + 1 : 0;
  let strangers = 0;
  for (const message of page) {
    if (isOver()) {
      next = message.sequenceNumber;
      break;
    }
    const key: RunKey = { source, sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt };
    if (message.state !== "deferred" || open.has(runId(key))) continue;
    // guard: owner-stamp
    if (message.properties["dispatcher-owner"] !== owner) {
      strangers += 1;
      continue;
    }
    const runLog = log.child({ runId: runId(key) });
    try {
      if (await findHome(deps, key, message, view, runLog)) tally.orphans += 1;
    } catch (error) {
      // The sweep goes on: it would never get past a message that fails each time.
      tally.failed += 1;
      logFailure(runLog, "left a deferred message to the next sweep", error);
    }
  }
  if (strangers > 0) {
    tally.orphans += strangers;
    log.error("found deferred messages that are not this Dispatcher's; they are left alone", {
      source: sourceName(source),
      count: strangers,
    });
  }
  if (next !== cursor) await table.saveSweepCursor(source, next);
}

/** Resolves to whether the message was an orphan. */
async function findHome(
  deps: Dependencies,
  key: RunKey,
  message: PeekedMessage,
  view: ClusterView,
  log: Log,
): Promise<boolean> {
  const found = await deps.table.find(key);
  if (found.kind === "open") return false;
  if (found.kind === "closed") {
    const { run } = found;
    if (run.status === "lost") {
      await ifFirst(deps.table.reopen(found.etag, reopened(run, deps.clock.now())));
      log.error("reopened a lost run: its message turned up");
    } else if (run.verdict) {
      // Closed as gone, and there after all; or closed just now, and then this receive finds nothing.
      const outcome = await settleMessage(deps, { ...run, status: "settling" }, run.verdict);
      if (outcome === "missing") return false;
      log.error("settled a message whose run was closed before it");
    }
    return true;
  }
  const module = route(deps.modules.values(), key.source, message);
  if (!module) {
    log.error("found a deferred message without a row, and no module takes it; it is left alone");
    return true;
  }
  await ifFirst(deps.table.insert(rebuildRun(deps, key, message, module, view)));
  log.error("rebuilt a lost row from its message", { messageId: message.messageId, module: module.name });
  return true;
}

async function ifFirst(write: Promise<unknown>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!(error instanceof ConflictError)) throw error;
  });
}
