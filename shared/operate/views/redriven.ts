import type { LookDependencies } from "../../dependencies.ts";
import type { LastRedrive } from "../../ports/run-table.ts";
import { nameOfRun } from "../../run/dead-letter.ts";
import { type ClosedRun, isDeadLettered, keyOf, type Run, runId } from "../../run/run.ts";
import { sourceKey } from "../../run/source.ts";

/** The last run that the dead letter of an earlier run had. */
export interface Redriven extends LastRedrive {
  readonly id: string;
}

/**
 * Says which of these runs' dead letters were redriven later, by the ids of the runs. Only those are looked up whose
 * messages were dead-lettered. Costs one request for all of them that lie close together.
 */
export async function redrivenOf(
  { table }: Pick<LookDependencies, "table">,
  runs: readonly (Run | ClosedRun)[],
): Promise<ReadonlyMap<string, Redriven>> {
  const dead = runs.filter(({ status }) => isDeadLettered(status));
  const sources = new Map(dead.map(({ source }) => [sourceKey(source), source]));
  const found = await Promise.all(
    [...sources].map(async ([name, source]) => {
      const ofSource = dead.filter((run) => sourceKey(run.source) === name);
      const last = await table.lastRedrives(source, ofSource.map(originalOf));
      return ofSource.flatMap((run) => {
        const redriven = laterOf(run, last.get(nameOfRun(run)));
        return redriven ? [[runId(run), redriven] as const] : [];
      });
    }),
  );
  return new Map(found.flat());
}

/** Gives what was found of one run as a field, or no field. */
export function redrivenField(
  found: ReadonlyMap<string, Redriven>,
  run: Run | ClosedRun,
): { readonly redriven?: Redriven } {
  const redriven = found.get(runId(run));
  return redriven === undefined ? {} : { redriven };
}

function laterOf(run: Run | ClosedRun, last: LastRedrive | undefined): Redriven | undefined {
  if (last === undefined || last.redrive <= (run.redrive ?? 0)) return undefined;
  return { id: runId({ ...originalOf(run), redrive: last.redrive }), ...last };
}

function originalOf(run: Run | ClosedRun) {
  const { redrive: _, ...original } = keyOf(run);
  return original;
}
