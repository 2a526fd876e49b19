import type { Dependencies } from "../dependencies.ts";
import { gateOf } from "../judge/gate-of.ts";
import type { Gates } from "../judge/gates.ts";
import { judge } from "../judge/judge.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { held, rejected, released } from "../run/change-run.ts";
import { runId } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";
import type { Events } from "../telemetry/events.ts";
import type { Item } from "./item.ts";

/** So many held runs of a module, or of those that no module takes, are judged in one tick. */
const PAGE = 300;

/**
 * Makes the choice of the held runs that a tick judges: a page of each module whose gate is not shut, or is not shut any
 * more, or that is gone. What is held at a shut gate is told of and not read.
 */
export function makeTakeHeld(deps: Dependencies, gates: Gates) {
  // The last row of each page, so that runs which can't be judged keep no others from their turn. It is a hint, not
  // state: a replica that forgets it begins at the front.
  const cursors = new Map<string, string>();

  return async function takeHeld({ source, held: heads }: SourceRuns, events: Events): Promise<readonly StoredRun[]> {
    const taken: StoredRun[] = [];
    for (const head of heads) {
      const gate = gateOf(deps.modules, head.run);
      if (gate && gates.shut(gate)) {
        events.tell({ event: "left", cause: "held" });
        continue;
      }
      const place = `${sourceKey(source)}|${head.run.module}`;
      const page = await deps.table.held(source, head.run.module, PAGE, cursors.get(place));
      const last = page.at(-1);
      if (last && page.length === PAGE) cursors.set(place, last.row);
      else cursors.delete(place);
      taken.push(...page);
    }
    return taken;
  };
}

/**
 * Judges a held message by today's files, as the trigger judges a new one. If it fits, it is accepted, and its run joins
 * the line. If not, it is rejected, or stays held if the gate is shut by now.
 */
export async function judgeHeld(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const { stored, peeked, gates } = item;
  const { run } = stored;
  if (!peeked) return undefined;
  const judgement = judge(deps.modules.values(), run.source, peeked);
  if (judgement.fits) {
    const next = released(run, judgement.module.name, deps.clock.now());
    await deps.table.update(stored, next);
    events.tell({ event: "accepted", run: next });
    await gates.noteAccepted(judgement.module, events);
    return undefined;
  }
  const { module, scope, problem } = judgement;
  if (await gates.mayReject({ scope, runId: runId(run), problem }, events)) {
    const next = rejected({ ...run, module }, problem);
    const after = await deps.table.update(stored, next);
    events.tell({ event: "rejected", run: next });
    // The message was seen before. Whether it can be settled, the settlement finds out.
    const { message: _, ...rest } = item;
    return { ...rest, stored: after };
  }
  events.tell({ event: "left", cause: "held" });
  // It stands at another gate by now, or for another reason.
  if (run.module !== module || run.lastError !== problem) await deps.table.update(stored, held(run, module, problem));
  return undefined;
}
