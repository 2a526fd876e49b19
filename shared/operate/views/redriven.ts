import type { LookDependencies } from "../../dependencies.ts";
import type { LetterRun } from "../../ports/run-table.ts";
import { nameOfRun } from "../../run/dead-letter.ts";
import { type ClosedRun, type ClosedStatus, isDeadLettered, keyOf, type Run, runId } from "../../run/run.ts";
import { sourceKey } from "../../run/source.ts";

/** The last run that the dead letter of an earlier run had. */
export interface Redriven {
  readonly id: string;
  /** How often the letter was redriven until then. */
  readonly redrive: number;
  /** `open`: it is not over. */
  readonly status: ClosedStatus | "open";
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
      const last = await table.letterRuns(source, ofSource.map(originalOf));
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

function laterOf(run: Run | ClosedRun, last: LetterRun | undefined): Redriven | undefined {
  if (last === undefined || last.kind === "newer") return undefined;
  const redrive = last.kind === "open" ? last.redrive : (last.run.redrive ?? 0);
  if (redrive <= (run.redrive ?? 0)) return undefined;
  const status = last.kind === "open" ? "open" : last.run.status;
  return { id: runId({ ...originalOf(run), redrive }), redrive, status };
}

function originalOf(run: Run | ClosedRun) {
  const { redrive: _, ...original } = keyOf(run);
  return original;
}
