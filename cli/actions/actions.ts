import type { ActionShown } from "../../shared/operate/views/actions.ts";
import { oneRun } from "../runs/one-run.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import type { Output } from "../text/output.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";
import { timeText } from "../text/times.ts";

interface ActionFlags extends TargetFlags {
  readonly output: Output;
  readonly limit: number;
  readonly after?: string;
  readonly run?: string;
}

const COLUMNS: readonly Column<ActionShown>[] = [
  { head: "WHEN", text: ({ at }) => timeText(at) },
  { head: "WHO", text: ({ who }) => who, least: 8 },
  { head: "WHAT", text: whatText, least: 8 },
  { head: "TO", text: ({ subject }) => subject },
  { head: "WHY", text: ({ why }) => why ?? "", wraps: true },
];

/** Lists what persons did, the newest first, and says on stderr how to see more. */
export async function listActions({ limit, after, run, ...flags }: ActionFlags): Promise<number> {
  return withOperator(flags, async (operator) => {
    const asked = {
      limit,
      ...(after === undefined ? {} : { after }),
      ...(run === undefined ? {} : { run: await oneRun(operator, run, flags) }),
    };
    const { actions, next } = await shown("reading the action log", operator.actions(asked));
    printList(actions, flags.output, {
      columns: COLUMNS,
      name: ({ id }) => id,
      none: run === undefined ? "nobody has done anything" : "nobody has done anything to this run",
    });
    if (next !== undefined) note(plainText(`there are more; go on with: --after ${next}`));
    return 0;
  });
}

/** What was done, and the facts of it, such as `limit slots=3`. */
export function whatText({ what, facts }: ActionShown): string {
  // What was lifted, and not what counts from then on.
  if (what === "resume") return ["resume", ...Object.values(facts).map((slots) => `(it had ${slots} slots)`)].join(" ");
  return [what, ...Object.entries(facts).map(([name, value]) => `${name}=${factText(name, value)}`)].join(" ");
}

function factText(name: string, value: string | number | boolean): string {
  return name === "until" && typeof value === "number" ? timeText(value) : String(value);
}
