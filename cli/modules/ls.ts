import type { EpochMs } from "../../shared/clock.ts";
import { durationText } from "../../shared/duration.ts";
import type { Module } from "../../shared/modules/module.ts";
import { isInForce, type ModuleLimit } from "../../shared/run/module-limit.ts";
import { sourceName } from "../../shared/run/source.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import type { Output } from "../text/output.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";

/** A module, and what a person said of it. */
type Row = Module & { readonly limit?: ModuleLimit };

const COLUMNS: readonly Column<Row>[] = [
  { head: "MODULE", text: ({ name }) => name, least: 12 },
  { head: "SOURCE", text: ({ source }) => sourceName(source), least: 12 },
  { head: "WHEN", text: whenText, least: 8 },
  { head: "PLACES", text: ({ maxActive, limit }) => String(limit?.places ?? maxActive) },
  { head: "ATTEMPTS", text: ({ retry }) => String(retry.maxAttempts) },
  { head: "LIMIT", text: ({ maxRunningTimeMs }) => durationText(maxRunningTimeMs) },
  { head: "BY A PERSON", text: limitText, least: 16 },
];

/** Lists the modules of a Dispatcher, and which of them a person has paused or limited. */
export async function listModules(flags: TargetFlags & { readonly output: Output }): Promise<number> {
  const { deps, close } = await openTarget(flags);
  try {
    const limits = await deps.instanceTable.limits();
    const rows = [...deps.modules.values()].map((module) => withLimit(module, limits, deps.clock.now()));
    printList(rows, flags.output, { columns: COLUMNS, name: ({ name }) => name, none: "there are no modules" });
    return 0;
  } finally {
    await close();
  }
}

function withLimit(module: Module, limits: readonly { readonly limit: ModuleLimit }[], now: EpochMs): Row {
  const limit = limits.find((stored) => stored.limit.module === module.name)?.limit;
  return isInForce(limit, now) ? { ...module, limit } : module;
}

/** The condition on messages, such as `subject=report.monthly`. */
function whenText({ when }: Module): string {
  const { subject, properties = {} } = when ?? {};
  const parts = Object.entries({ ...(subject === undefined ? {} : { subject }), ...properties });
  return parts.map(([name, value]) => `${name}=${value}`).join(" ") || "-";
}

function limitText({ limit }: Row): string {
  if (limit === undefined) return "-";
  const until = limit.until === undefined ? "" : ` until ${new Date(limit.until).toISOString()}`;
  const why = limit.why === undefined ? "" : `: ${limit.why}`;
  return `${limit.places === 0 ? "paused" : "limited"} by ${limit.who}${until}${why}`;
}
