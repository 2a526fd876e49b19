import type { Redrive } from "../../shared/run/redrive.ts";
import { sourceName } from "../../shared/run/source.ts";
import { act } from "../act.ts";
import type { DoingFlags } from "../doing.ts";
import type { TargetFlags } from "../target/flags.ts";
import { withOperator } from "../target/with-operator.ts";
import type { Output } from "../text/output.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";
import { timeText } from "../text/times.ts";
import { leftText } from "./hindrances.ts";

const COLUMNS: readonly Column<Redrive>[] = [
  { head: "SOURCE", text: ({ source }) => sourceName(source), least: 10 },
  { head: "ORDERED", text: ({ orderedAt }) => timeText(orderedAt) },
  { head: "BY", text: ({ who }) => who, least: 6 },
  { head: "STATE", text: ({ end }) => end ?? "at work" },
  { head: "REDRIVEN", text: ({ redriven }) => String(redriven) },
  { head: "NOT REDRIVEN", text: ({ left, problem }) => problem ?? leftText(left), least: 12 },
];

/** Lists the last redrive of each source. */
export function listRedrives({ output, ...flags }: TargetFlags & { readonly output: Output }): Promise<number> {
  return withOperator(flags, async (operator) => {
    printList(await operator.redrives(), output, {
      columns: COLUMNS,
      name: ({ source }) => sourceName(source),
      none: "no dead letter was ever redriven",
    });
    return 0;
  });
}

/** Ends the redrive of a source. */
export function abortRedrive(source: string, flags: TargetFlags & DoingFlags): Promise<number> {
  return act(flags, flags, {
    words: `end the redrive of ${source}`,
    judgesNothing: true,
    act: (operator, how) => operator.abortRedrive(source, how),
  });
}
