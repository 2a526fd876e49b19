import type { Operator } from "../../shared/operate/operator.ts";
import type { RunsWanted } from "../../shared/operate/views/runs.ts";
import { attemptsHad, type ClosedRun, type Run, runId } from "../../shared/run/run.ts";
import type { TargetFlags } from "../target/flags.ts";
import type { Target } from "../target/open-target.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import type { Output } from "../text/output.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";
import { lengthText, timeText } from "../text/times.ts";

interface ListFlags extends TargetFlags, Pick<RunsWanted, "module" | "status" | "source" | "since"> {
  readonly output: Output;
  readonly closed?: true;
  readonly messageId?: string;
  readonly limit: number;
  readonly from?: string;
}

/** Lists runs, and says on stderr how to see more of them. */
export async function listRuns(flags: ListFlags): Promise<number> {
  return withOperator(flags, async (operator, target) => {
    const { runs, more } = await shown("reading the table", readRuns(operator, target, flags));
    const columns = columnsAt(target.deps.clock.now());
    const none = flags.closed ? "no run of these was closed" : "no run of these is open";
    printList(runs, flags.output, { columns, name: runId, none });
    if (more !== undefined) note(plainText(more));
    return 0;
  });
}

async function readRuns(
  operator: Operator,
  target: Target,
  flags: ListFlags,
): Promise<{ readonly runs: readonly (Run | ClosedRun)[]; readonly more?: string }> {
  const { messageId, closed, limit, from, module, status, source, since } = flags;
  const wanted = {
    ...(closed ? { which: "closed" as const } : {}),
    ...(module === undefined ? {} : { module }),
    ...(status === undefined ? {} : { status }),
    ...(source === undefined ? {} : { source }),
    ...(since === undefined ? {} : { since }),
  };
  if (messageId !== undefined) {
    const found = await operator.find(messageId);
    const rows = await Promise.all((found?.keys ?? []).map((key) => target.deps.table.find(key)));
    const runs = rows.flatMap((row) => (row.kind === "open" ? row.stored.run : row.kind === "closed" ? row.run : []));
    const fitting = runs.filter((run) => fits(run, wanted)).slice(0, limit);
    return { runs: fitting, ...(found?.isMore ? { more: "there are more of them" } : {}) };
  }
  const page = await operator.runs(wanted, { limit, from });
  if (page.next === undefined) return { runs: page.runs };
  const scanned = page.scanned > page.runs.length ? `, after ${page.scanned} rows` : "";
  return { runs: page.runs, more: `there are more${scanned}; go on with: --from ${page.next}` };
}

function fits(
  run: Run | ClosedRun,
  { module, status, since }: Pick<RunsWanted, "module" | "status" | "since">,
): boolean {
  return (
    (module === undefined || run.module === module) &&
    (status === undefined || run.status === status) &&
    (since === undefined || run.enqueuedAt >= since)
  );
}

function columnsAt(now: number): readonly Column<Run | ClosedRun>[] {
  return [
    { head: "RUN", text: runId, least: 24 },
    { head: "MODULE", text: ({ module }) => module || "-", least: 8 },
    { head: "STATUS", text: ({ status }) => status },
    { head: "TRY", text: (run) => String("closedAt" in run ? attemptsHad(run) : run.attempt) },
    { head: "AGE", text: ({ enqueuedAt }) => lengthText(now - enqueuedAt) },
    { head: "MESSAGE", text: ({ messageId }) => messageId || "-", least: 8 },
    { head: "WHY", text: (run) => whyText(run, now), least: 12 },
  ];
}

/** The shortest answer to why a run is where it is, as far as its row says. */
export function whyText(run: Run | ClosedRun, now: number): string {
  const { verdict, heldUpBy, lastError, notBefore } = run;
  if (verdict) return verdict.description ?? verdict.reason ?? "-";
  if (heldUpBy !== undefined) return heldUpBy;
  const later = run.status === "waiting" && notBefore > now ? `not before ${timeText(notBefore)}` : undefined;
  return [later, lastError].filter(Boolean).join("; ") || "-";
}
