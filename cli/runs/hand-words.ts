import type { RunShown } from "../../shared/operate/views/run.ts";
import type { Action } from "../../shared/run/action.ts";
import { timeText } from "../text/times.ts";

/** What persons do to runs. */
const DEEDS: Readonly<Record<string, string>> = {
  cancel: "cancelled",
  force: "its Job given up",
  adopt: "adopted",
  mend: "mended",
};

/** Says who did what to a run, when and why. */
export function handText({ what, who, at, why }: Action): string {
  return `${DEEDS[what] ?? what} by ${who} at ${timeText(at)}${why === undefined ? "" : `: ${why}`}`;
}

type JobFound = NonNullable<Extract<RunShown["job"], { readonly found: unknown }>["found"]>;

/** Says how the Job of a run is. The cluster says of each Job that the Dispatcher ends that its time was over. */
export function jobStateText({ phase, isRetired, why }: JobFound, { run, attempt }: RunShown): string {
  const isOwn = attempt === run.attempt && why?.startsWith("DeadlineExceeded") === true;
  const endedFor = isOwn
    ? (run.endOrdered?.detail ?? (isCancelled(run) ? "the run was cancelled" : undefined))
    : undefined;
  const because = endedFor === undefined ? why : `the Dispatcher ended it: ${endedFor}`;
  return [`${phase}${isRetired ? ", retired" : ""}`, because].filter(Boolean).join(": ");
}

function isCancelled({ verdict }: RunShown["run"]): boolean {
  return verdict?.outcome === "cancelled";
}
