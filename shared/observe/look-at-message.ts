import type { Dependencies } from "../dependencies.ts";
import type { MessageSeen } from "../run/decide.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { Run } from "../run/run.ts";

export type Sighting =
  | { readonly seen: Exclude<MessageSeen, "unseen" | "deferred"> }
  | { readonly seen: "deferred"; readonly message: PeekedMessage };

/**
 * Looks for a run's message on the bus. Absence is believed slowly, for a peek can be wrong for a moment and a wrong "gone" loses a message:
 * `gone` takes two peeks a lock duration apart and a MessageNotFound between them; until then it is `absent`.
 */
export async function lookAtMessage(deps: Dependencies, run: Run): Promise<Sighting> {
  const { broker, clock, lockDurationMs } = deps;
  const doubted = run.absentSince !== undefined && clock.now() - run.absentSince >= lockDurationMs;
  // Receives it and gives it back, if it is there at all.
  const received = doubted ? await broker.requeueDeferred(run, {}) : undefined;
  const message = await broker.peek(run.source, run.sequenceNumber);
  // guard: enqueued-time-in-peek
  // Another message under our number: the entity was recreated, and ours went with the old one.
  const isOurs = message?.enqueuedAt === run.enqueuedAt;
  // guard: slow-absence
  if (!message || !isOurs) return { seen: received === "missing" ? "gone" : "absent" };
  return message.state === "deferred" ? { seen: "deferred", message } : { seen: "active" };
}
