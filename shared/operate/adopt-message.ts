import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import { noModuleTakes, route } from "../modules/route.ts";
import type { ClusterView } from "../observe/cluster-view.ts";
import { rebuildRun } from "../observe/rebuild-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun } from "../run/new-run.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import { ownerStamp } from "../run/stamp.ts";
import { ownerOf } from "./orphan-messages.ts";
import { already, done, type RepairOutcome, refused } from "./outcome.ts";

/**
 * Takes on a deferred message that has no row: this Dispatcher's stamp first, for whoever dies in between leaves it to the sweep, then the row.
 * Repeating it is harmless. Whoever deferred it must not be at work on it any more: nobody here can tell.
 */
export async function adoptMessage(
  deps: Dependencies,
  key: RunKey,
  view: Pick<ClusterView, "jobs">,
  log: Log,
): Promise<RepairOutcome> {
  const message = await deps.broker.peek(key.source, key.sequenceNumber);
  if (!message || message.enqueuedAt !== key.enqueuedAt) return refused("the bus has no such message");
  if (message.state !== "deferred")
    return refused(`the message is ${message.state}: it is accepted when it is delivered`);
  const owner = await deps.instanceTable.owner();
  const found = await deps.table.find(key);
  if (found.kind === "closed")
    return refused(`its run is closed as ${found.run.status}: the sweep settles the message`);
  if (found.kind === "open" && ownerOf(message) === owner) return already("it has a row and this Dispatcher's stamp");
  if (ownerOf(message) !== owner && (await deps.broker.requeueDeferred(key, ownerStamp(owner))) === "missing")
    return refused("somebody holds the message just now; try again after a lock duration");
  if (found.kind === "open") return done("it had a row, and has this Dispatcher's stamp now");
  return insertRow(deps, adoptedRun(deps, key, message, view), log);
}

async function insertRow(deps: Dependencies, run: Run, log: Log): Promise<RepairOutcome> {
  log.warn("adopted a message by hand", { runId: runId(run), module: run.module, attempt: run.attempt });
  await deps.instanceTable.registerSource(run.source);
  try {
    await deps.table.insert(run);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return done("a Dispatcher's sweep saw the stamp, and has made its row");
  }
  return done(
    run.verdict
      ? "no module takes it: the next tick dead-letters it"
      : `the next tick goes on with it as attempt ${run.attempt} of module ${run.module}`,
  );
}

function adoptedRun(deps: Dependencies, key: RunKey, message: PeekedMessage, view: Pick<ClusterView, "jobs">): Run {
  const module = route(deps.modules.values(), key.source, message);
  if (module) return rebuildRun(deps, key, message, module, view);
  const now = deps.clock.now();
  return newRun({ key, message, module: "", bodyInBlob: false, now, problem: noModuleTakes(key.source) });
}
