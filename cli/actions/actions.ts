import { makeOperator } from "../../shared/operate/operator.ts";
import type { ActionShown } from "../../shared/operate/views/actions.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import type { Output } from "../text/output.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";

const COLUMNS: readonly Column<ActionShown>[] = [
  { head: "WHEN", text: ({ at }) => new Date(at).toISOString() },
  { head: "WHO", text: ({ who }) => who, least: 8 },
  { head: "WHAT", text: whatText, least: 8 },
  { head: "TO", text: ({ subject }) => subject, least: 12 },
  { head: "WHY", text: ({ why }) => why ?? "-", least: 8 },
];

type Flags = TargetFlags & { readonly output: Output; readonly limit: number };

/** Lists what persons did to a Dispatcher, the newest first. */
export async function listActions(flags: Flags): Promise<number> {
  const { deps, log, close } = await openTarget(flags);
  try {
    const { actions, next } = await makeOperator(deps, log).actions({ limit: flags.limit });
    printList(actions, flags.output, { columns: COLUMNS, name: ({ id }) => id, none: "nobody has done anything" });
    if (next !== undefined) note(`there are older ones: --limit ${flags.limit * 2} shows more`);
    return 0;
  } finally {
    await close();
  }
}

/** What was done, and the facts of it, such as `limit places=3`. */
function whatText({ what, facts }: ActionShown): string {
  return [what, ...Object.entries(facts).map(([name, value]) => `${name}=${factText(name, value)}`)].join(" ");
}

function factText(name: string, value: string | number | boolean): string {
  return name === "until" && typeof value === "number" ? new Date(value).toISOString() : String(value);
}
