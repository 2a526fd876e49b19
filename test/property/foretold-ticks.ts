import { expect } from "vitest";
import { explain, type OpenRunExplained } from "../../shared/operate/views/explain.ts";
import type { Decision } from "../../shared/run/decide.ts";
import { type Run, runId } from "../../shared/run/run.ts";
import type { World } from "../support/world.ts";

/**
 * Explains every open run before a tick, while nobody else is at work. The function that it resolves to checks after the
 * tick that what was to wait has waited, and that what was to go on has gone on.
 */
export async function foretell(world: World): Promise<() => void> {
  const foretold = await Promise.all(
    world.open().map(async (run) => {
      const explanation = await explain(world.deps, run);
      if (explanation === undefined || explanation === "newer" || explanation.kind === "closed")
        throw new Error(`run ${runId(run)} is open, and was not explained so`);
      return { run, explanation };
    }),
  );
  return () => {
    const after = new Map(world.open().map((run) => [runId(run), run]));
    for (const { run, explanation } of foretold) {
      const now = after.get(runId(run));
      // The explanation stands beside, so that a failure shows it.
      if (mustWait(explanation)) expect({ explanation, ...stepOf(now) }).toEqual({ explanation, ...stepOf(run) });
      if (mustGoOn(run, explanation)) expect({ explanation, run: now }).not.toEqual({ explanation, run });
    }
  };
}

/** What a wait leaves as it is. A run that stands back only waits for longer. */
function stepOf(run: Run | undefined) {
  return { status: run?.status, attempt: run?.attempt, verdict: run?.verdict };
}

/** Other runs of the tick may give a slot away, and a tripped module may try this one. */
function mustWait({ waitsFor }: OpenRunExplained): boolean {
  return waitsFor !== undefined && waitsFor.cause !== "max-active" && waitsFor.cause !== "module-tripped";
}

function mustGoOn({ endOrdered }: Run, { waitsFor, unavailable, decision, facts }: OpenRunExplained): boolean {
  if (waitsFor !== undefined || unavailable !== undefined) return false;
  // What the bus says of one message counts only if the tick does not find that it lacks too many others.
  if (facts.message !== undefined) return false;
  return !ENDS_OPEN.has(decision.do) && !mayStayAsItIs(endOrdered !== undefined, { decision, facts });
}

/**
 * What befalls another run's create befalls the module. A settlement may find out that the message was not deferred, and
 * will be delivered again.
 */
const ENDS_OPEN = new Set<Decision["do"]>(["start", "receive", "settle"]);

/**
 * If the row orders the end already, only the patch is repeated. And a tick looks at what is late to start once a minute,
 * but an explanation each time.
 */
function mayStayAsItIs(isOrdered: boolean, { decision, facts }: Pick<OpenRunExplained, "decision" | "facts">): boolean {
  const isPending = facts.job.phase === "pending";
  return (decision.do === "end" && (isOrdered || isPending)) || (decision.do === "note hold" && isPending);
}
