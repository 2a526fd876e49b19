import pLimit from "p-limit";
import type { Dependencies } from "../../dependencies.ts";
import type { BrokenRows, Identity, SearchRow } from "../../ports/row-check.ts";
import { type RunKey, runId } from "../../run/run.ts";
import { sourceName } from "../../run/source.ts";
import { findRun } from "./find-run.ts";
import type { AuditFinding } from "./finding.ts";
import type { SourceRows } from "./open-rows.ts";

/** Rows that are read at a time. */
const PAGE = 1_000;
/** Runs whose rows are looked at again at once. */
const CONCURRENCY = 16;

/**
 * Compares the rows of a source's runs with each other: the run itself, the row that locks its identity, and those by
 * which people find it. Each write of two of them is one transaction, so that they disagree only if a person or another
 * program changed the table, or if a release purged a run that knew nothing of its search rows. Costs a request for each
 * 1,000 runs, closed ones included, and for each 1,000 search rows.
 */
export async function rowFindings(
  deps: Dependencies,
  { source, open }: SourceRows,
  tell: (more: number) => void,
): Promise<AuditFinding[]> {
  const limit = pLimit(CONCURRENCY);
  const locked = new Set<string>();
  const suspects: { readonly key: RunKey; readonly row?: string }[] = [];
  for (let page: readonly Identity[] | undefined; page === undefined || page.length === PAGE; ) {
    page = await deps.table.identities(source, PAGE, page?.at(-1));
    for (const { isOpen, ...key } of page) {
      locked.add(runId(key));
      if (isOpen && !open.has(runId(key))) suspects.push({ key });
    }
    tell(page.length);
  }
  for (const [id, { key, row }] of open) if (!locked.has(id)) suspects.push({ key, row });
  const broken = await limit.map(suspects, ({ key, row }) => deps.table.brokenRows(key, row));
  const found = broken.flatMap((one) => (one === undefined ? [] : [findingOf(one)]));

  const lost: SearchRow[] = [];
  for (let page: readonly SearchRow[] | undefined; page === undefined || page.length === PAGE; ) {
    page = await deps.table.searchRows(source, PAGE, page?.at(-1)?.row);
    lost.push(...page.filter((row) => !locked.has(runId(row))));
    tell(page.length);
  }
  const isGone = await limit.map(lost, async (row) => (await findRun(deps, row))?.kind === "none");
  const gone = lost.filter((_, index) => isGone[index]);
  return gone.length === 0 ? found : [...found, { kind: "search rows", source: sourceName(source), rows: gone }];
}

function findingOf(broken: BrokenRows): AuditFinding {
  const { key } = broken;
  if (broken.kind === "no run") return { kind: "lock without a run", runId: runId(key), key };
  return { kind: "run without a lock", runId: runId(key), key, row: broken.stored.row };
}
