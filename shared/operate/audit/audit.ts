import type { Dependencies } from "../../dependencies.ts";
import { errorText, UnavailableError } from "../../errors.ts";
import { runId } from "../../run/run.ts";
import { sourceKey } from "../../run/source.ts";
import { clusterFindings } from "./cluster-findings.ts";
import { type AuditFinding, type AuditReport, type Looked, PHASES, type Phase, type TooYoung } from "./finding.ts";
import { letterFindings } from "./letter-findings.ts";
import { messageFindings } from "./message-findings.ts";
import { readOpenRows, type SourceRows } from "./open-rows.ts";
import { rowFindings } from "./row-findings.ts";
import { sideBySide } from "./side-by-side.ts";
import { sourceFindings } from "./source-findings.ts";

/** Walks that are under way at once. */
const WALKS = 6;

/** A look through one kind of things, for one source or for all. It counts what it looks at. */
interface Walk {
  readonly phase: Phase;
  readonly look: (count: (more: number) => void) => Promise<readonly AuditFinding[]>;
}

/**
 * Walks through all open runs, and then, side by side, through the Jobs, the messages, the dead letters and the rows of
 * all runs, and finds where they disagree, and what only a person may decide. Changes nothing. Whatever may be in flight
 * is left out by its age, and whatever disagrees is looked at again before it is named, so that it runs beside a
 * Dispatcher at work. `tell` is told how far it is. The findings come phase by phase, and source by source.
 *
 * If a dependency is away, the phase that needs it is cut off, and the report says so. The others go on, but without the
 * open runs nothing can be compared. Of a held source, only Jobs are.
 */
export async function audit(deps: Dependencies, tell: (looked: Looked) => void = () => {}): Promise<AuditReport> {
  const looked: Record<Phase, number> = { "open runs": 0, Jobs: 0, messages: 0, "dead letters": 0, rows: 0 };
  const tooYoung: TooYoung[] = [];
  const cutOff = new Map<Phase, string>();
  const take = async ({ phase, look }: Walk): Promise<readonly AuditFinding[]> => {
    if (cutOff.has(phase)) return [];
    try {
      return await look((more) => {
        looked[phase] += more;
        tell(looked);
      });
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      cutOff.set(phase, errorText(error));
      return [];
    }
  };

  let rest: readonly Walk[] = [];
  const first = await take({
    phase: "open runs",
    async look(count) {
      const all = await readOpenRows(deps, count);
      const held = await deps.instanceTable.heldSources();
      const doubted = held.filter(({ hold }) => hold.acceptedAt === undefined);
      const findings = await sourceFindings(deps, all, doubted);
      const free = all.filter(({ source }) => !held.some((one) => sourceKey(one.source) === sourceKey(source)));
      rest = walksAfter(deps, all, free, (job) => tooYoung.push(job));
      return findings;
    },
  });
  const others = await sideBySide(rest, WALKS, take);
  return {
    findings: withoutJobsOf([...first, ...others.flat()]),
    looked,
    tooYoung,
    unfinished: PHASES.flatMap((phase) => {
      const detail = cutOff.get(phase);
      return detail === undefined ? [] : [{ phase, detail }];
    }),
  };
}

/** Lists what can be walked through once the open runs are known. `free`: those of the sources that are not held. */
function walksAfter(
  deps: Dependencies,
  all: readonly SourceRows[],
  free: readonly SourceRows[],
  passOver: (job: TooYoung) => void,
): Walk[] {
  return [
    { phase: "Jobs", look: (count) => clusterFindings(deps, all, { tell: count, passOver }) },
    ...free.map((rows): Walk => ({ phase: "messages", look: (count) => messageFindings(deps, rows, count) })),
    ...free.map((rows): Walk => ({ phase: "dead letters", look: (count) => letterFindings(deps, rows.source, count) })),
    ...free.map((rows): Walk => ({ phase: "rows", look: (count) => rowFindings(deps, rows, count) })),
  ];
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
