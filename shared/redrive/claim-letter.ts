import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText, LockLostError, UnavailableError } from "../errors.ts";
import { goesToStore } from "../jobs/job-spec.ts";
import type { ReceivedLetter } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { queued } from "../run/change-run.ts";
import { WITHDRAWN_VERDICT } from "../run/decide.ts";
import { newRun } from "../run/new-run.ts";
import type { Run, RunKey } from "../run/run.ts";
import { ownerStamp, redrivesOf } from "../run/stamp.ts";
import { closeRun } from "../settle/settle-message.ts";
import type { Events } from "../telemetry/events.ts";
import { isHalfClaimed, type SeenLetter } from "./letters.ts";

/** The service will not set letters aside in this dead letter queue. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/**
 * Redrives a letter that is deferred: from now on the ticks start it as they start any run. Resolves to its key; to
 * undefined if another process was first.
 */
export async function claimDeferred(deps: Dependencies, seen: SeenLetter): Promise<RunKey | undefined> {
  return (await claim(deps, seen))?.run;
}

/**
 * Redrives a letter that was received: its row comes first, and then it is deferred. If this process dies in between,
 * or the deferral fails, a tick withdraws the run once the lock is over, and the letter lies where it lay. Resolves to
 * the run's key; to undefined if it is not redriven. Rejects with an UnavailableError, and with a RefusedError if the
 * service refuses to defer it, after the run was withdrawn.
 */
export async function claimReceived(
  deps: Dependencies,
  seen: SeenLetter<ReceivedLetter>,
  events: Events,
): Promise<RunKey | undefined> {
  const { letter, run, original } = seen;
  const half = isHalfClaimed(seen) && run?.kind === "open" ? { ...original, redrive: run.redrive } : undefined;
  const claimed = half === undefined ? await claim(deps, seen) : undefined;
  const begun = half ?? claimed?.run;
  if (begun === undefined) return undefined;
  const stamp = { ...ownerStamp(await deps.instanceTable.owner()), "dispatcher-attempt": 1 };
  try {
    await deps.broker.defer({ deadLettersOf: original.source }, letter.lockToken, stamp);
    return begun;
  } catch (error) {
    if (error instanceof LockLostError) return undefined;
    if (error instanceof UnavailableError) throw error;
    if (claimed) await closeRun(deps, claimed, WITHDRAWN_VERDICT, events);
    throw new RefusedError(errorText(error), { cause: error });
  }
}

/** Makes the run of a letter's next redrive. */
function runOf(deps: Dependencies, { letter, message, original, run, judgement }: SeenLetter): Run {
  const earlier = run?.kind === "closed" ? (run.run.redrive ?? 0) : 0;
  const now = deps.clock.now();
  const key = { ...original, redrive: Math.max(earlier, redrivesOf(letter)) + 1 };
  const module = judgement.fits ? judgement.module.name : judgement.module;
  const begun = newRun({ key, message, module, bodyInBlob: goesToStore(message, deps.bodyAccess), now });
  const isMoved = letter.sequenceNumber !== original.sequenceNumber || letter.enqueuedAt !== original.enqueuedAt;
  const place = isMoved ? { letterNumber: letter.sequenceNumber, letterEnqueuedAt: letter.enqueuedAt } : {};
  return { ...queued(begun, now), ...place };
}

/** Inserts the run of a letter's next redrive. Undefined if another process was first. */
async function claim(deps: Dependencies, seen: SeenLetter): Promise<StoredRun | undefined> {
  const { run } = seen;
  try {
    return await deps.table.claim(runOf(deps, seen), run?.kind === "closed" ? run : undefined);
  } catch (error) {
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
}
