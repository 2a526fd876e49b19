import type { Operator } from "../../shared/operate/operator.ts";
import { asListed, type RunListed } from "../../shared/operate/views/listed.ts";
import { isForClosed, isWanted, type RunsPage, type RunsWanted } from "../../shared/operate/views/runs.ts";
import { present } from "../../shared/plain-data.ts";
import { attemptsHad, byAge, type ClosedRun, type Run } from "../../shared/run/run.ts";
import type { TargetFlags } from "../target/flags.ts";
import type { Target } from "../target/open-target.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import type { Output } from "../text/output.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import { statusWord } from "../text/status-words.ts";
import type { Column } from "../text/table.ts";
import { agoText, lengthText, timeText } from "../text/times.ts";
import { WAITS } from "../text/waits.ts";
import { refuseUnknown } from "../unknown-module.ts";
import { redrivenMark } from "./redriven-text.ts";

/** So many rows are read for each run of a list at most, beyond its first page. */
const ROWS_FOR_EACH = 5;

interface ListFlags extends TargetFlags, Omit<RunsWanted, "which"> {
  readonly output: Output;
  readonly closed?: true;
  readonly lastLine?: true;
  readonly messageId?: string;
  readonly limit: number;
  readonly after?: string;
}

/** A run, and what its Job wrote last if that was asked for. */
type Row = RunListed & { readonly lastLine?: string | undefined };

/** Lists runs, and says on stderr how to see more of them. */
export async function listRuns(flags: ListFlags): Promise<number> {
  return withOperator(flags, async (operator, target) => {
    const { runs, more } = await shown("reading the table", readRuns(operator, target, flags));
    if (runs.length === 0 && flags.module !== undefined) refuseUnknown(flags.module, target.deps.modules);
    const rows = flags.lastLine ? await shown("reading the logs", withLastLines(operator, runs)) : runs;
    const none = flags.closed || isForClosed(flags) ? "no run of these was closed" : "no run of these is open";
    printList(rows, flags.output, { columns: columnsFor(rows, target.deps.clock.now()), name: ({ id }) => id, none });
    if (more !== undefined) note(plainText(more));
    return 0;
  });
}

/** Reads the runs that the flags choose, and says how to see more of them if there are. */
export async function readRuns(
  operator: Operator,
  { deps }: Pick<Target, "deps">,
  flags: Omit<ListFlags, "output">,
): Promise<{ readonly runs: readonly RunListed[]; readonly more?: string }> {
  const { messageId, closed, limit, after, module, status, source, exitCode, since, until } = flags;
  const wanted = {
    ...(closed ? { which: "closed" as const } : {}),
    ...present({ module, status, source, exitCode, since, until }),
  };
  if (messageId !== undefined) {
    const found = await operator.find(messageId);
    const rows = await Promise.all((found?.keys ?? []).map((key) => deps.table.find(key)));
    const runs = rows.flatMap((row): (Run | ClosedRun)[] =>
      row.kind === "open" ? [row.stored.run] : row.kind === "closed" ? [row.run] : [],
    );
    const newest = runs.filter((run) => isWanted(run, wanted)).toSorted((a, b) => byAge(b, a));
    const listed = await asListed(deps, newest.slice(0, limit));
    const isMore = found?.isMore === true || newest.length > limit;
    return {
      runs: listed,
      ...(isMore ? { more: found?.isCut ? "there are more of them" : "there are older ones of them" } : {}),
    };
  }
  const page = await readPages(operator, wanted, { limit, after });
  if (page.next === undefined && after === undefined) return { runs: byEnd(page.runs) };
  if (page.next === undefined) return { runs: page.runs };
  const order = page.runs.some(isClosed) ? ", by the day of their messages and by source" : "";
  const scanned = page.scanned > page.runs.length ? `, after ${page.scanned} rows` : "";
  return { runs: page.runs, more: `there are more${scanned}${order}; go on with: --after ${page.next}` };
}

/**
 * Reads page after page until there are `limit` runs. If few of the rows that it reads are wanted, it ends after five for
 * each of these, or after the first page.
 */
async function readPages(
  operator: Operator,
  wanted: RunsWanted,
  { limit, after }: { readonly limit: number; readonly after: string | undefined },
): Promise<RunsPage> {
  const runs: RunListed[] = [];
  let scanned = 0;
  let next = after;
  do {
    const page = await operator.runs(wanted, { limit: limit - runs.length, from: next });
    runs.push(...page.runs);
    scanned += page.scanned;
    next = page.next;
  } while (next !== undefined && runs.length < limit && scanned < ROWS_FOR_EACH * limit);
  return { runs, scanned, next };
}

/** Orders runs by their ends, the newest first, if all of a list are there. Open ones stay as they are. */
export function byEnd<Listed extends object>(runs: readonly Listed[]): readonly Listed[] {
  return runs.toSorted((a, b) => endOf(b) - endOf(a));
}

function endOf(run: object): number {
  return "closedAt" in run && typeof run.closedAt === "number" ? run.closedAt : 0;
}

/** Adds the last line of each Job that runs. */
async function withLastLines(operator: Operator, runs: readonly RunListed[]): Promise<readonly Row[]> {
  const lines = await operator.lastLines(runs.filter(({ status }) => status === "dispatched").map(({ id }) => id));
  return runs.map((run) => {
    const lastLine = lines.get(run.id);
    return lastLine === undefined ? run : { ...run, lastLine };
  });
}

/** Open runs have an age and perhaps run; closed ones have an end, and took their time. */
function columnsFor(rows: readonly Row[], now: number): readonly Column<Row>[] {
  const open: readonly Column<Row>[] = [
    { head: "AGE", text: (run) => (isClosed(run) ? "-" : lengthText(now - run.enqueuedAt)) },
    { head: "RUNS FOR", text: (run) => runsFor(run, now) },
  ];
  const closed: readonly Column<Row>[] = [
    { head: "ENDED", text: (run) => (isClosed(run) ? agoText(now - run.closedAt) : "-") },
    { head: "TOOK", text: (run) => (isClosed(run) ? lengthText(run.closedAt - run.enqueuedAt) : "-") },
  ];
  return [
    { head: "RUN", text: ({ id }) => id },
    { head: "MODULE", text: ({ module }) => module || "-", least: 8, drop: 2 },
    { head: "STATUS", text: ({ status }) => statusWord(status) },
    { head: "TRY", text: (run) => String(isClosed(run) ? attemptsHad(run) : run.attempt), drop: 1 },
    ...(rows.every(isClosed) ? [] : open),
    ...(rows.some(isClosed) ? closed : []),
    { head: "MESSAGE", text: ({ messageId }) => messageId || "-", least: 8, drop: 3 },
    { head: "WHY", text: (run) => whyText(run, now), wraps: true },
  ];
}

function isClosed(run: Row): run is Row & ClosedRun {
  return "closedAt" in run;
}

function runsFor({ status, dispatchedAt }: Row, now: number): string {
  return status === "dispatched" && dispatchedAt !== undefined ? lengthText(now - dispatchedAt) : "-";
}

/** The shortest answer to why a run is where it is, as far as its row says, or how far it is by its own words. */
export function whyText(run: Row, now: number): string {
  const { verdict, lastError, notBefore, waitsFor, lastLine, redriven } = run;
  if (verdict) {
    const why = verdict.description ?? verdict.reason;
    return [redriven && redrivenMark(redriven), why].filter(Boolean).join("; ");
  }
  if (waitsFor === undefined) return lastLine ?? "";
  // A held run waits for its gate. Its time is only when a tick looks at it again.
  const until = notBefore > now && !isClosed(run) && waitsFor !== "held" ? ` until ${timeText(notBefore)}` : "";
  return [`${WAITS[waitsFor]}${until}`, lastError].filter(Boolean).join("; ");
}
