import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import { type Answer, already, done, refused, would } from "./answer.ts";
import { actionOf, type Doing, fieldsOf } from "./by.ts";

/**
 * Says that the missing messages of a held source are lost: the next ticks close their runs. It is for a queue or
 * subscription that was really deleted or emptied. Each message is looked for once more, and a run whose message is there
 * goes on. Repeating it is harmless.
 */
export async function acceptLoss(
  { instanceTable, clock }: Dependencies,
  source: Source,
  { by, dryRun = false }: Doing,
  log: Log,
): Promise<Answer> {
  const held = (await instanceTable.heldSources()).find((one) => sourceKey(one.source) === sourceKey(source));
  if (!held) return refused({ because: "not held" });
  if (held.hold.acceptedAt !== undefined) return already({ was: "loss accepted" });
  if (dryRun) return would({ did: "accepted the loss" });
  try {
    const action = actionOf(by, "accept loss", sourceName(source), clock.now());
    await instanceTable.holdSource(source, { ...held.hold, acceptedAt: clock.now() }, held.etag, action);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused({ because: "moved on" });
  }
  log.warn("accepted the loss of messages by hand", { source: sourceName(source), ...fieldsOf(by) });
  return done({ did: "accepted the loss" });
}
