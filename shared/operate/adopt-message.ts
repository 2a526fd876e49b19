import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import { noModuleTakes } from "../modules/route.ts";
import type { ClusterView } from "../observe/cluster-view.ts";
import { rebuildRun } from "../observe/rebuild-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun } from "../run/new-run.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import { ownerOf, ownerStamp } from "../run/stamp.ts";
import { type Answer, already, type Done, done, refused, would } from "./answer.ts";
import { actionOf, type By, type Doing, fieldsOf } from "./by.ts";

/**
 * Takes on a deferred message that has no row: first this instance's stamp, then the row, so that the sweep finds the
 * message if the process dies in between. Repeating it is harmless. The instance that deferred the message must no
 * longer work on it: only the operator can know that.
 *
 * The bus and the table are changed one after the other, so the action is noted before both. It may have come to nothing,
 * if another receiver holds the message, or the process dies.
 */
export async function adoptMessage(
  deps: Dependencies,
  key: RunKey,
  view: Pick<ClusterView, "jobs">,
  { by, dryRun = false }: Doing,
  log: Log,
): Promise<Answer> {
  const message = await deps.broker.peek(key.source, key.sequenceNumber);
  if (!message || message.enqueuedAt !== key.enqueuedAt) return refused({ because: "no such message" });
  if (message.state !== "deferred") return refused({ because: "message not deferred", state: message.state });
  const owner = await deps.instanceTable.owner();
  const found = await deps.table.find(key);
  if (found.kind === "newer") return refused({ because: "newer row" });
  if (found.kind === "closed") return refused({ because: "run closed", status: found.run.status });
  if (found.kind === "open" && ownerOf(message) === owner) return already({ was: "adopted" });
  if (dryRun)
    return would(found.kind === "open" ? { did: "stamped" } : does(await adoptedRun(deps, key, message, view)));
  await deps.instanceTable.recordAction(actionOf(by, "adopt", runId(key), deps.clock.now()), key.source);
  if (ownerOf(message) !== owner && (await deps.broker.requeueDeferred(key, ownerStamp(owner))) === "missing")
    return refused({ because: "busy" });
  if (found.kind === "open") return done({ did: "stamped" });
  return insertRow(deps, await adoptedRun(deps, key, message, view), by, log);
}

async function insertRow(deps: Dependencies, run: Run, by: By, log: Log): Promise<Answer> {
  const { module, attempt } = run;
  log.warn("adopted a message by hand", { runId: runId(run), module, attempt, ...fieldsOf(by) });
  await deps.instanceTable.registerSource(run.source);
  try {
    await deps.table.insert(run);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return done({ did: "adopted by the sweep" });
  }
  return done(does(run));
}

/** Says what the adoption does, by the row that it inserts. */
function does({ status, verdict, module, attempt }: Run): Done {
  if (status === "held") return { did: "adopted to be judged" };
  return verdict ? { did: "adopted to be rejected" } : { did: "adopted", module, attempt };
}

async function adoptedRun(
  deps: Dependencies,
  key: RunKey,
  message: PeekedMessage,
  view: Pick<ClusterView, "jobs">,
): Promise<Run> {
  const run = await rebuildRun(deps, key, message, view);
  const now = deps.clock.now();
  return run ?? newRun({ key, message, module: "", bodyInBlob: false, now, problem: noModuleTakes(key.source) });
}
