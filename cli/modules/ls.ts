import { durationText } from "../../shared/duration.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import type { Module } from "../../shared/modules/module.ts";
import { sourceName } from "../../shared/run/source.ts";
import { findTarget } from "../target/find-target.ts";
import type { TargetFlags } from "../target/flags.ts";
import type { Output } from "../text/output.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";

const COLUMNS: readonly Column<Module>[] = [
  { head: "MODULE", text: ({ name }) => name, least: 12 },
  { head: "SOURCE", text: ({ source }) => sourceName(source), least: 12 },
  { head: "WHEN", text: whenText, least: 8 },
  { head: "MAX", text: ({ maxActive }) => String(maxActive) },
  { head: "ATTEMPTS", text: ({ retry }) => String(retry.maxAttempts) },
  { head: "LIMIT", text: ({ maxRunningTimeMs }) => durationText(maxRunningTimeMs) },
  { head: "FILE", text: ({ file }) => file, least: 12 },
];

/** Lists the modules of a Dispatcher. */
export async function listModules(flags: TargetFlags & { readonly output: Output }): Promise<number> {
  const { settings, cleanUp } = await findTarget(flags);
  try {
    const modules = loadModules(settings.modulesDir);
    printList(modules, flags.output, { columns: COLUMNS, name: ({ name }) => name, none: "there are no modules" });
    return 0;
  } finally {
    await cleanUp?.();
  }
}

/** The condition on messages, such as `subject=report.monthly`. */
function whenText({ when }: Module): string {
  const { subject, properties = {} } = when ?? {};
  const parts = Object.entries({ ...(subject === undefined ? {} : { subject }), ...properties });
  return parts.map(([name, value]) => `${name}=${value}`).join(" ") || "-";
}
