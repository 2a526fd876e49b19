import type { DeadLetterFound } from "../../shared/operate/views/dead-letters.ts";
import { isSameId } from "../../shared/run/run.ts";
import { Refusal } from "../refusal.ts";
import { redrivenText } from "../runs/redriven-text.ts";

/** A dead letter that was found. */
export type FoundLetter = DeadLetterFound & { readonly kind: "dead letter" };

/** Gives the dead letter of the run with this id. Throws a Refusal that says why there is none. */
export function foundLetter(run: string, found: DeadLetterFound): FoundLetter {
  if (found.kind === "dead letter") return found;
  throw new Refusal(`${run}: ${whyNot(found, run)}`);
}

/** Says why the dead letter of the run with this id can't be redriven, although nothing of it hinders that. */
export function whyNotThere(run: string, found: DeadLetterFound): string {
  if (found.kind !== "dead letter") return `${run}: ${whyNot(found, run)}`;
  const { onBus } = found;
  if ("unavailable" in onBus) return `${run}: its letter can't be looked at: ${onBus.unavailable}`;
  return onBus.found === null
    ? `${run}: its letter is not in the dead letter queue any more, so most likely a person has taken it out`
    : `${run}: its letter was not found in the dead letter queue just now. Try again`;
}

function whyNot(found: Exclude<DeadLetterFound, FoundLetter>, run: string): string {
  switch (found.kind) {
    case "unknown source":
      return "neither the modules nor the table know its source. Give a run as SOURCE:NUMBER:MS, as dead ls lists it";
    case "ambiguous name":
      return "a queue and a subscription share this name, and each has such a run. List them with: dead ls";
    case "no such run":
      return "no run has this id, or its history is purged";
    case "newer row":
      return "a newer release of the Dispatcher wrote its row. Use that release's command";
    case "open":
      if (!isSameId(found.id, run)) return `it was ${redrivenText({ id: found.id, status: "open" })}`;
      return "its run is open, and its message is not settled yet";
    case "other end":
      if (!isSameId(found.id, run)) return `it was ${redrivenText(found)}`;
      return found.status === "lost"
        ? "its message is gone from the bus, and the Dispatcher did not dead-letter it"
        : `its message was not dead-lettered, because its run ${found.status}`;
    default:
      return found satisfies never;
  }
}
