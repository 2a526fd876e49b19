import { viewCluster } from "../../observe/cluster-view.ts";
import { rebuildRun } from "../../observe/rebuild-run.ts";
import type { Run, RunKey } from "../../run/run.ts";
import { ownerOf } from "../../run/stamp.ts";
import type { SafeFinding } from "./finding.ts";
import type { Mending } from "./mending.ts";
import { peekDeferred } from "./peek-deferred.ts";

type FoundRows = Extract<
  SafeFinding,
  { kind: "lock without a run" | "run without a lock" | "search rows" | "letters gone" }
>;

/** Mends what rows say against each other. Resolves to false if it is no longer so. */
export async function mendRows(mending: Mending, found: FoundRows): Promise<boolean> {
  const { deps, log, note } = mending;
  switch (found.kind) {
    case "lock without a run": {
      const broken = await deps.table.brokenRows(found.key);
      if (broken?.kind !== "no run") return false;
      const run = await rebuilt(mending, found.key);
      await note();
      log.warn(run ? "puts a run back by hand" : "forgets by hand a run that is nowhere");
      await deps.table.putBack(broken, run);
      return true;
    }
    case "run without a lock": {
      const broken = await deps.table.brokenRows(found.key, found.row);
      if (broken?.kind !== "no lock") return false;
      await note();
      log.warn("locks a run again by hand");
      await deps.table.lockAgain(broken);
      return true;
    }
    case "search rows": {
      const { rows } = found;
      const [row] = rows;
      if (!row) return false;
      await note();
      log.warn("deletes by hand the search rows of runs that are gone", { rows: rows.length });
      await deps.table.removeSearchRows(row.source, rows);
      return true;
    }
    case "letters gone": {
      const { letters } = found;
      const [letter] = letters;
      if (!letter) return false;
      await note();
      log.warn("deletes by hand the rows of dead letters that are gone", { letters: letters.length });
      await deps.table.forgetLetters(letter.source, letters);
      return true;
    }
    default:
      return found satisfies never;
  }
}

/**
 * Makes a run anew as the sweep does, if this instance has deferred its message. Undefined if not: once the lock is gone,
 * an active message makes its run when it is delivered, and a foreign one is adopted by hand.
 */
async function rebuilt({ deps }: Mending, key: RunKey): Promise<Run | undefined> {
  const message = await peekDeferred(deps, key);
  if (!message || ownerOf(message) !== (await deps.instanceTable.owner())) return undefined;
  return rebuildRun(deps, key, message, await viewCluster(deps));
}
