import { durationText } from "../../shared/duration.ts";
import type { ModuleShown } from "../../shared/operate/views/modules.ts";
import { slotsBy } from "../../shared/run/module-limit.ts";
import { sourceName } from "../../shared/run/source.ts";
import type { TargetFlags } from "../target/flags.ts";
import { withOperator } from "../target/with-operator.ts";
import { limitText } from "../text/limit-text.ts";
import type { Output } from "../text/output.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";

const COLUMNS: readonly Column<ModuleShown>[] = [
  { head: "MODULE", text: ({ name }) => name, least: 12 },
  { head: "SOURCE", text: ({ source }) => sourceName(source), least: 12 },
  { head: "WHEN", text: whenText, least: 8 },
  { head: "SLOTS", text: ({ maxActive, limit }) => String(slotsBy(limit, maxActive)) },
  { head: "ATTEMPTS", text: ({ retry }) => String(retry.maxAttempts) },
  { head: "MAX TIME", text: ({ maxRunningTimeMs }) => durationText(maxRunningTimeMs) },
  { head: "BY A PERSON", text: (module) => (module.limit ? limitText(module.limit) : ""), wraps: true },
];

/** Lists the modules of a Dispatcher, and which of them a person has paused or limited. */
export async function listModules(flags: TargetFlags & { readonly output: Output }): Promise<number> {
  return withOperator(flags, async (operator) => {
    const modules = await operator.modules();
    printList(modules, flags.output, { columns: COLUMNS, name: ({ name }) => name, none: "there are no modules" });
    return 0;
  });
}

/** The condition on messages, such as `subject=report.monthly`. A dash stands for all of the source. */
export function whenText({ when }: Pick<ModuleShown, "when">): string {
  const { subject, properties = {} } = when ?? {};
  const parts = Object.entries({ ...(subject === undefined ? {} : { subject }), ...properties });
  return parts.map(([name, value]) => `${name}=${value}`).join(" ") || "-";
}
