import { runId } from "../../shared/run/run.ts";
import { act } from "../act.ts";
import type { DoingFlags } from "../doing.ts";
import type { TargetFlags } from "../target/flags.ts";
import { oneRun } from "./one-run.ts";

/** Cancels runs, by their ids or ids of their messages. */
export function cancelRuns(ids: readonly string[], flags: TargetFlags & DoingFlags): Promise<number> {
  return act(flags, flags, {
    words: `cancel ${ids.join(", ")}`,
    judgesNothing: true,
    async act(operator, how) {
      // All are found before one is cancelled, so that a wrong id among them changes nothing.
      const keys = [];
      for (const id of ids) keys.push(await oneRun(operator, id, flags));
      return operator.cancel(keys.map(runId), how);
    },
  });
}
