import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import { gateName, opened } from "../run/gate-state.ts";
import { type Answer, already, done, refused, would } from "./answer.ts";
import { actionOf, type Doing, fieldsOf } from "./by.ts";

/**
 * Opens a gate that is shut, because a person says that its files are right: the next ticks judge what is held there,
 * and reject what doesn't fit. It stays open until its files change. Repeating it is harmless. `name` is such as
 * `module:thumbnail` or `source:thumbnails`.
 */
export async function openGate(
  { instanceTable, clock }: Dependencies,
  name: string,
  { by, dryRun = false }: Doing,
  log: Log,
): Promise<Answer> {
  const states = await instanceTable.gateStates();
  const stored = states.find(({ state }) => gateName(state.scope).toLowerCase() === name.toLowerCase());
  if (stored?.state.status !== "shut") return already({ was: "not shut" });
  const gate = gateName(stored.state.scope);
  if (dryRun) return would({ did: "opened the gate" });
  try {
    // The files stay those of the replicas that shut the gate: this process may have others.
    const next = opened(stored.state, stored.state, clock.now());
    await instanceTable.saveGateState(next, stored.etag, actionOf(by, "open gate", gate, clock.now()));
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused({ because: "gate moved on" });
  }
  log.warn("opened a gate by hand", { gate, ...fieldsOf(by) });
  return done({ did: "opened the gate" });
}
