import type { Dependencies } from "../../dependencies.ts";
import { errorText, UnavailableError } from "../../errors.ts";
import { runId } from "../../run/run.ts";
import { type Source, sourceKey } from "../../run/source.ts";
import { clusterFindings } from "./cluster-findings.ts";
import type { AuditFinding, AuditProgress, AuditReport, Phase } from "./finding.ts";
import { letterFindings } from "./letter-findings.ts";
import { messageFindings } from "./message-findings.ts";
import { readOpenRows, type SourceRows } from "./open-rows.ts";
import { rowFindings } from "./row-findings.ts";
import { sourceFindings } from "./source-findings.ts";

/**
 * Walks through all open runs, then the Jobs, the messages, the dead letters and the rows of all runs, and finds where
 * they disagree, and what only a person may decide. Changes nothing. Whatever may be in flight is left out by its age,
 * and whatever disagrees is looked at again before it is named, so that it runs beside a Dispatcher at work. `tell` is
 * told how far it is.
 *
 * If a dependency is away, the phase that needs it is cut off, and the report says so. The others go on, but without the
 * open runs nothing can be compared. Of a held source, only Jobs are.
 */
export async function audit(
  deps: Dependencies,
  tell: (progress: AuditProgress) => void = () => {},
): Promise<AuditReport> {
  const looked: Record<Phase, number> = { "open runs": 0, Jobs: 0, messages: 0, "dead letters": 0, rows: 0 };
  const findings: AuditFinding[] = [];
  const unfinished: { phase: Phase; detail: string }[] = [];
  const counting = (phase: Phase) => (more: number, source?: Source) => {
    looked[phase] += more;
    tell({ phase, done: looked[phase], ...(source === undefined ? {} : { source }) });
  };
  const during = async (phase: Phase, look: () => Promise<void>) => {
    try {
      await look();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      unfinished.push({ phase, detail: errorText(error) });
    }
  };

  let all: readonly SourceRows[] = [];
  let free: readonly SourceRows[] = [];
  await during("open runs", async () => {
    const count = counting("open runs");
    const rows = await readOpenRows(deps, (source, more) => count(more, source));
    const held = await deps.instanceTable.heldSources();
    const doubted = held.filter(({ hold }) => hold.acceptedAt === undefined);
    findings.push(...(await sourceFindings(deps, rows, doubted)));
    free = rows.filter(({ source }) => !held.some((one) => sourceKey(one.source) === sourceKey(source)));
    all = rows;
  });
  if (unfinished.length > 0) return { findings, looked, unfinished };
  await during("Jobs", async () => {
    findings.push(...(await clusterFindings(deps, all, counting("Jobs"))));
  });
  await during("messages", async () => {
    const count = counting("messages");
    for (const rows of free) findings.push(...(await messageFindings(deps, rows, (more) => count(more, rows.source))));
  });
  await during("dead letters", async () => {
    const count = counting("dead letters");
    for (const { source } of free)
      findings.push(...(await letterFindings(deps, source, (more) => count(more, source))));
  });
  await during("rows", async () => {
    const count = counting("rows");
    for (const rows of free) findings.push(...(await rowFindings(deps, rows, (more) => count(more, rows.source))));
  });
  return { findings: withoutJobsOf(findings), looked, unfinished };
}

/** Leaves out the Jobs whose message has no row either: what makes that row takes the Job on. */
function withoutJobsOf(findings: readonly AuditFinding[]): AuditFinding[] {
  const rowless = new Set(
    findings.flatMap((one) =>
      one.kind === "message without a row" || one.kind === "orphan message" ? [runId(one.key)] : [],
    ),
  );
  return findings.filter((one) => one.kind !== "stray Job" || one.runId === undefined || !rowless.has(one.runId));
}
