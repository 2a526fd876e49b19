import type { DeadLetterFound } from "../operate/views/dead-letters.ts";
import { isSameId } from "../run/run.ts";
import { ProblemError } from "./problem.ts";
import type { Room } from "./route.ts";

type Letter = Extract<DeadLetterFound, { readonly kind: "dead letter" }>;

/** Finds the dead letter of a run. Rejects with a ProblemError that says why it has none. */
export async function letterOf(
  { operator }: Pick<Room, "operator">,
  id: string,
  options?: { readonly withContent: boolean },
): Promise<Letter> {
  const found = await operator.deadLetter(id, options);
  if (found.kind === "dead letter") return found;
  if (found.kind === "newer row")
    throw new ProblemError("newer-release", `A newer release wrote the row of run ${id}. Ask that release.`);
  if (found.kind === "ambiguous name")
    throw new ProblemError("conflict", "A queue and a subscription share this name, and each has such a run.");
  if ((found.kind === "open" || found.kind === "other end") && !isSameId(found.id, id)) {
    const said =
      found.kind === "open"
        ? `is redriven now, as run ${found.id}`
        : `was redriven as run ${found.id} (${found.status})`;
    throw new ProblemError("not-found", `The dead letter of run ${id} ${said}.`);
  }
  throw new ProblemError("not-found", `The run ${id} has no dead letter (${found.kind}).`);
}
