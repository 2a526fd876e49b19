import type { Dependencies } from "../../dependencies.ts";
import { ConflictError } from "../../errors.ts";
import { findHome } from "../../housekeeping/sweep.ts";
import type { Log } from "../../log.ts";
import { viewCluster } from "../../observe/cluster-view.ts";
import type { RunKey } from "../../run/run.ts";
import { makeEvents } from "../../telemetry/events.ts";
import { type Answer, already, done, refused, would } from "../answer.ts";
import { actionOf, type Doing, fieldsOf } from "../by.ts";
import type { SafeFinding } from "./finding.ts";
import { mendJob } from "./mend-job.ts";
import { mendRows } from "./mend-rows.ts";
import type { Mending } from "./mending.ts";
import { peekDeferred } from "./peek-deferred.ts";
import { subjectOf } from "./subject.ts";

/**
 * Mends what an audit found, as a tick, a sweep or a purge would in its time: each looks again, and writes on the
 * condition that nothing has changed. Resolves to `already` if a replica was first. What is done outside the row of a run
 * is noted in the action log before. A dry run looks at nothing. Rejects with an UnavailableError.
 */
export async function mend(deps: Dependencies, found: SafeFinding, how: Doing, log: Log): Promise<Answer> {
  const mended = { did: "mended", what: found.kind } as const;
  if (how.dryRun) return would(mended);
  const action = actionOf(how.by, "mend", subjectOf(found), deps.clock.now(), { found: found.kind });
  const mending: Mending = {
    deps,
    action,
    log: log.child({ found: found.kind, subject: subjectOf(found), ...fieldsOf(how.by) }),
    note: () => deps.instanceTable.recordAction(action, sourceOf(found)),
  };
  try {
    const outcome = await isMended(mending, found);
    if (outcome === "busy") return refused({ because: "busy" });
    return outcome ? done(mended) : already({ was: "mended" });
  } catch (error) {
    if (error instanceof ConflictError) return already({ was: "mended" });
    throw error;
  }
}

/** `busy`: another receiver holds the message. */
async function isMended(mending: Mending, found: SafeFinding): Promise<boolean | "busy"> {
  switch (found.kind) {
    case "missing Job":
    case "unrecorded Job":
    case "unretired Job":
      return mendJob(mending, found);
    case "message without a row":
    case "message of a closed run":
      return bringHome(mending, found.key);
    case "lock without a run":
    case "run without a lock":
    case "search rows":
    case "letters gone":
      return mendRows(mending, found);
    default:
      return found satisfies never;
  }
}

/** Does with a deferred message that no open run speaks of what the sweep does. */
async function bringHome({ deps, log, note }: Mending, key: RunKey): Promise<boolean | "busy"> {
  const message = await peekDeferred(deps, key);
  if (!message) return false;
  await note();
  if (await findHome(deps, key, message, () => viewCluster(deps), makeEvents(log))) return true;
  // A replica may have brought it home, or somebody holds its lock. A receive finds it in neither case.
  const isClosed = (await deps.table.find(key)).kind === "closed";
  return isClosed && (await peekDeferred(deps, key)) !== undefined ? "busy" : false;
}

function sourceOf(found: SafeFinding): RunKey["source"] | undefined {
  if (found.kind === "letters gone") return found.letters[0]?.source;
  return found.kind === "search rows" ? found.rows[0]?.source : found.key.source;
}
