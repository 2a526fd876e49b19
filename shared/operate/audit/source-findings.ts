import type { Dependencies } from "../../dependencies.ts";
import { gateOf } from "../../judge/gate-of.ts";
import { type Gates, makeGates } from "../../judge/gates.ts";
import { mistakesFor } from "../../modules/wrong-file.ts";
import type { StoredSourceHold } from "../../ports/instance-table.ts";
import { MOST_COUNTED } from "../../ports/run-table.ts";
import { gateName } from "../../run/gate-state.ts";
import { runId } from "../../run/run.ts";
import { type Source, sourceKey, sourceName } from "../../run/source.ts";
import type { AuditFinding } from "./finding.ts";
import type { SourceRows } from "./open-rows.ts";
import { sideBySide } from "./side-by-side.ts";

/** Sources whose gates are looked at at once. */
const CONCURRENCY = 8;

/** Finds what holds the runs of whole sources, gates and modules up. `held`: the holds whose loss no person accepted. */
export async function sourceFindings(
  deps: Dependencies,
  all: readonly SourceRows[],
  held: readonly StoredSourceHold[],
): Promise<AuditFinding[]> {
  const found = held.map(({ source, hold: { because, since } }): AuditFinding => {
    const rows = all.find((one) => sourceKey(one.source) === sourceKey(source));
    const removed = rows === undefined ? [] : removedModules(deps, rows);
    return { kind: "source held", source: sourceName(source), because, since, removed };
  });
  const gates = makeGates(deps);
  await gates.refresh();
  const shut = await sideBySide(all, CONCURRENCY, ({ source }) => shutGates(deps, source, gates));
  for (const [index, rows] of all.entries()) {
    found.push(...(shut[index] ?? []));
    // With the files back, the source is no longer held either.
    if (!held.some(({ source }) => sourceKey(source) === sourceKey(rows.source)))
      found.push(...missingFiles(deps, rows));
  }
  return found;
}

/**
 * Names the modules of a source's open runs, if no module file names the source any more. A module whose file is wrong
 * is none of them, because the running Dispatcher still has an earlier form of it.
 */
export function removedModules(
  deps: Pick<Dependencies, "modules" | "wrongFiles">,
  { source, open }: SourceRows,
): string[] {
  if ([...deps.modules.values()].some((module) => sourceKey(module.source) === sourceKey(source))) return [];
  return [...new Set([...open.values()].map(({ module }) => module))].filter(
    (module) => module !== "" && mistakesFor(deps, module).length === 0,
  );
}

/** Finds the shut gates at which runs of a source are held. */
async function shutGates(deps: Dependencies, source: Source, gates: Gates): Promise<AuditFinding[]> {
  const found: AuditFinding[] = [];
  for (const { run } of await deps.table.heldHeads(source)) {
    const scope = gateOf(deps.modules, run);
    const state = scope && gates.shut(scope);
    if (!state) continue;
    const runs = await deps.table.held(source, run.module, MOST_COUNTED);
    const mayBeMore = runs.length === MOST_COUNTED;
    found.push({ kind: "shut gate", gate: gateName(scope), problem: state.problem, held: runs.length, mayBeMore });
  }
  return found;
}

/** Finds the modules for which runs wait and whose files are gone. Jobs at work need no file to be followed. */
function missingFiles(deps: Dependencies, { source, open }: SourceRows): AuditFinding[] {
  const waiting = new Map<string, { waiting: number; first: string }>();
  for (const { status, module, key } of open.values()) {
    if (status !== "waiting" || deps.modules.has(module)) continue;
    if (mistakesFor(deps, module).length > 0) continue;
    const before = waiting.get(module) ?? { waiting: 0, first: runId(key) };
    waiting.set(module, { ...before, waiting: before.waiting + 1 });
  }
  return [...waiting].map(([module, of]) => ({ kind: "file missing", module, source: sourceName(source), ...of }));
}
