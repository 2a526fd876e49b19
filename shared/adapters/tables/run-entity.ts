import { z } from "zod";
import type { RunInSlot, StoredClosedRun, StoredRun } from "../../ports/run-table.ts";
import { REASONS } from "../../run/reasons.ts";
import {
  type AttemptEnd,
  CLOSED_STATUSES,
  CLUSTER_HOLDS,
  type ClosedRun,
  OPEN_STATUSES,
  type Run,
  type RunKey,
  runId,
  TEMPLATE_FAULTS,
  type Verdict,
} from "../../run/run.ts";
import { type Source, sourceIn } from "../../run/source.ts";
import { BadRowError, type Columns, count, decoded, lines, long, prose, text, time } from "./columns.ts";
import { isRowOf, workIn } from "./keys.ts";
import type { Row } from "./rows.ts";

/**
 * The columns of a run. Each field has its own, so that a person can read and filter runs in Storage Explorer. Times
 * are dates, counts are 32-bit and sequence numbers 64-bit integers. An undefined field has no column.
 */
const COLUMNS = {
  module: text,
  sequenceNumber: long,
  enqueuedAt: time,
  messageId: text,
  correlationId: z.exactOptional(text),
  subject: z.exactOptional(text),
  traceparent: z.exactOptional(text),
  acceptedAt: time,
  expiresAt: z.exactOptional(time),
  attempt: count,
  failures: count,
  interruptions: count,
  bodyInBlob: z.boolean(),
  notBefore: time,
  dispatchedAt: z.exactOptional(time),
  jobOverdueAt: z.exactOptional(time),
  heldUpBy: z.exactOptional(z.enum([...TEMPLATE_FAULTS, ...CLUSTER_HOLDS])),
  heldUpSince: z.exactOptional(time),
  jobName: z.exactOptional(text),
  jobUid: z.exactOptional(text),
  lastError: z.exactOptional(prose),
  logsUrl: z.exactOptional(text),
  absentSince: z.exactOptional(time),
  busyCount: count,
  redrive: z.exactOptional(count),
  letterNumber: z.exactOptional(long),
  letterEnqueuedAt: z.exactOptional(time),
} satisfies Record<Exclude<keyof Run, "source" | "status" | "endOrdered" | "verdict" | "timeline">, z.ZodType>;

/** The version of the layout that this release writes. A release leaves the rows of a newer one alone. */
const VERSION = 1;
/** The version of the rows of held runs, which the first release with versions doesn't know. */
const HELD_VERSION = 2;
/** The version of the rows of redriven runs, whose messages lie in the dead letter queue. */
const REDRIVE_VERSION = 3;

const OPEN = z.object({ status: z.enum(OPEN_STATUSES), ...COLUMNS });
const SLOT = OPEN.pick({ status: true, module: true, notBefore: true, dispatchedAt: true });
const CLOSED = z.object({
  status: z.enum(CLOSED_STATUSES),
  closedAt: time,
  wasHeld: z.exactOptional(z.boolean()),
  ...COLUMNS,
});
/**
 * The columns of a `run|` row while its run is open. It holds the identity, and the key of the row in which the run
 * waits or last waited, so that an update of a run at work needn't change it.
 */
const MARK = z.object({
  status: z.literal("open"),
  sequenceNumber: long,
  enqueuedAt: time,
  messageId: text,
  redrive: z.exactOptional(count),
  at: z.exactOptional(text),
});

/**
 * The columns of `endOrdered`. They lie flat beside the others, and the run has an `endOrdered` if `endReason` is
 * there.
 */
const END = z.object({
  endReason: z.enum(REASONS),
  endKind: z.enum(["failure", "interruption", "cancel", "module", "unstarted"]),
  endPermanent: z.boolean(),
  endDetail: prose,
  endExitCode: z.exactOptional(count),
});
/** The columns of `verdict`. They lie flat too, and the run has a verdict if `verdict` is there. */
const VERDICT = z.object({
  verdict: z.enum(CLOSED_STATUSES),
  verdictReason: z.exactOptional(z.enum(REASONS)),
  verdictDescription: z.exactOptional(prose),
  verdictExitCode: z.exactOptional(count),
  verdictUnbegun: z.exactOptional(z.boolean()),
});

/** The columns of a `run|` row that name the other rows which go when it goes. Any release may have written them. */
const OTHER_ROWS = z.object({
  searchRows: z.exactOptional(lines),
  deadRow: z.exactOptional(text),
});

/** The columns that this release knows. All others are a newer release's, and are kept as they are. */
const KNOWN = new Set([
  "version",
  "timeline",
  ...[OPEN, CLOSED, MARK, END, VERDICT, OTHER_ROWS].flatMap(({ shape }) => Object.keys(shape)),
]);

export function writeOpenRun(run: Run): Columns {
  return {
    version: versionOf(run, run.status === "held" ? HELD_VERSION : VERSION),
    ...z.encode(OPEN, run),
    ...writeEndOrdered(run.endOrdered),
    ...writeVerdict(run.verdict),
    ...writeTimeline(run.timeline),
  };
}

export function writeClosedRun(run: ClosedRun): Columns {
  return {
    version: versionOf(run),
    ...z.encode(CLOSED, run),
    ...writeEndOrdered(run.endOrdered),
    ...writeVerdict(run.verdict),
    ...writeTimeline(run.timeline),
  };
}

/** Gives the columns of a `run|` row while its run is open. `at`: the key of the row in which the run waits. */
export function writeMark(run: Run, at?: string): Columns {
  const { sequenceNumber, enqueuedAt, messageId, redrive } = run;
  const mark = {
    status: "open" as const,
    sequenceNumber,
    enqueuedAt,
    messageId,
    ...(redrive === undefined ? {} : { redrive }),
    ...(at === undefined ? {} : { at }),
  };
  return { version: versionOf(run), ...z.encode(MARK, mark) };
}

/** Gives the version of a row of a run, whose kind alone would have this one. */
export function versionOf({ redrive }: Pick<RunKey, "redrive">, version: number = VERSION): number {
  return redrive === undefined ? version : REDRIVE_VERSION;
}

/** The columns of a `run|` row that {@link otherRowsIn} reads. */
export const OTHER_ROWS_COLUMNS = Object.keys(OTHER_ROWS.shape);

/** Gives the columns of a `run|` row that name other rows of its run. */
export function writeOtherRows(names: z.output<typeof OTHER_ROWS>): Columns {
  return z.encode(OTHER_ROWS, names);
}

/** Whether a `run|` row names the row of a dead letter. */
export function namesDeadLetter(columns: Columns): boolean {
  return columns.deadRow !== undefined;
}

/** Lists the other rows of a run, by their keys. A run that an older release began has none. */
export function otherRowsIn(columns: Columns): string[] {
  const { searchRows = [], deadRow } = decoded(OTHER_ROWS, columns);
  return deadRow === undefined ? searchRows : [...searchRows, deadRow];
}

export function isMark(columns: Columns): boolean {
  return columns.status === "open";
}

/** Reads the key of the row in which an open run waits or last waited; undefined if it was at work ever since. */
export function placeOf(mark: Columns): string | undefined {
  return typeof mark.at === "string" ? mark.at : undefined;
}

/** Whether a newer release wrote the row, in a layout that this one doesn't know. */
export function isNewer(columns: Columns): boolean {
  return typeof columns.version === "number" && columns.version > REDRIVE_VERSION;
}

/** Matches in a filter the rows of which `isNewer` is true. */
export const NEWER = `version gt ${REDRIVE_VERSION}`;

/** Whether an older release wrote the row, which has no version. */
export function isOld(columns: Columns): boolean {
  return columns.version === undefined;
}

/** Gives the columns of a row that this release doesn't know; undefined if it knows them all. */
function unknownColumns(columns: Columns): Columns | undefined {
  const unknown = Object.keys(columns).filter((name) => !KNOWN.has(name));
  return unknown.length === 0 ? undefined : Object.fromEntries(unknown.map((name) => [name, columns[name]]));
}

/** Reads the columns of an open run's row. Throws BadRowError if they are not an open run's. */
export function readOpenRun(source: Source, columns: Columns): Run {
  return completed(decoded(OPEN, columns), source, columns);
}

/** What a run has that no column alone holds. */
type Composed = Pick<Run, "source" | "endOrdered" | "verdict" | "timeline">;

/**
 * Adds to a run what does not stand in one column alone. It copies nothing of what was just decoded: a tick reads the rows
 * of ten thousand runs, and to spread each into another object took a fifth of its processor time.
 */
function completed<Decoded extends object>(run: Decoded, source: Source, columns: Columns): Decoded & Composed {
  return Object.assign(run, { source }, readEndOrdered(columns), readVerdict(columns), readTimeline(columns));
}

/** Reads the row of an open run. Throws BadRowError if it isn't one, or if its columns name another run than its key. */
export function readStoredRun({ columns, etag, read, rowKey }: Row, source: Source): StoredRun {
  const run = readOpenRun(source, columns);
  if (!isRowOf(rowKey, run))
    throw new BadRowError(`columns sequenceNumber and enqueuedAt name another run, ${runId(run)}`);
  const unknown = unknownColumns(columns);
  const stored = { run, etag, read, row: rowKey };
  return unknown === undefined ? stored : { ...stored, unknown };
}

/** The columns of the row of a run at work that {@link readRunInSlot} reads, and {@link isNewer}. */
export const SLOT_COLUMNS = ["version", ...Object.keys(SLOT.shape)];

/**
 * Reads of a run at work what says whether it holds a slot, and since when. Throws BadRowError if one of these columns is
 * wrong.
 */
export function readRunInSlot({ columns, rowKey }: Row, source: Source): RunInSlot {
  return { ...decoded(SLOT, columns), ...workIn(rowKey), source };
}

/** Reads the columns of a `run|` row. Throws BadRowError if they are not a closed run's. */
export function readClosedRun(source: Source, columns: Columns): ClosedRun {
  return completed(decoded(CLOSED, columns), source, columns);
}

/** Reads a closed run with its ETag, and what a newer release wrote there. Throws BadRowError as `readClosedRun` does. */
export function readStoredClosedRun({ columns, etag }: Row, source: Source): StoredClosedRun {
  const unknown = unknownColumns(columns);
  const run = readClosedRun(source, columns);
  return unknown === undefined ? { run, etag } : { run, etag, unknown };
}

/** Gives the columns of a registry row, with the source in its own spelling. */
export function writeSource(source: Source): Columns {
  return { ...source };
}

/** Reads the columns of a registry row. Throws BadRowError if they name no source. */
export function readSource(columns: Columns): Source {
  const source = sourceIn(columns);
  if (source !== undefined) return source;
  throw new BadRowError("its columns name neither a queue nor a topic and subscription");
}

/** Whether a closed row already says what we wanted to write. */
export function isSameClosing(a: ClosedRun, b: ClosedRun): boolean {
  return (
    a.status === b.status &&
    a.attempt === b.attempt &&
    a.closedAt === b.closedAt &&
    a.verdict?.outcome === b.verdict?.outcome &&
    a.verdict?.reason === b.verdict?.reason
  );
}

function writeEndOrdered(end: AttemptEnd | undefined): Columns {
  if (end === undefined) return {};
  const { reason, kind, permanent, detail, exitCode } = end;
  return z.encode(END, {
    endReason: reason,
    endKind: kind,
    endPermanent: permanent,
    endDetail: detail,
    ...(exitCode === undefined ? {} : { endExitCode: exitCode }),
  });
}

function readEndOrdered(columns: Columns): { endOrdered?: AttemptEnd } {
  if (columns.endReason === undefined) return {};
  const { endReason, endKind, endPermanent, endDetail, endExitCode } = decoded(END, columns);
  const exitCode = endExitCode === undefined ? {} : { exitCode: endExitCode };
  return {
    endOrdered: { reason: endReason, kind: endKind, permanent: endPermanent, detail: endDetail, ...exitCode },
  };
}

function writeVerdict(verdict: Verdict | undefined): Columns {
  if (verdict === undefined) return {};
  const { outcome, reason, description, exitCode, unbegun } = verdict;
  return z.encode(VERDICT, {
    verdict: outcome,
    ...(reason === undefined ? {} : { verdictReason: reason }),
    ...(description === undefined ? {} : { verdictDescription: description }),
    ...(exitCode === undefined ? {} : { verdictExitCode: exitCode }),
    ...(unbegun === undefined ? {} : { verdictUnbegun: unbegun }),
  });
}

function readVerdict(columns: Columns): { verdict?: Verdict } {
  if (columns.verdict === undefined) return {};
  const { verdict, verdictReason, verdictDescription, verdictExitCode, verdictUnbegun } = decoded(VERDICT, columns);
  return {
    verdict: {
      outcome: verdict,
      ...(verdictReason === undefined ? {} : { reason: verdictReason }),
      ...(verdictDescription === undefined ? {} : { description: verdictDescription }),
      ...(verdictExitCode === undefined ? {} : { exitCode: verdictExitCode }),
      ...(verdictUnbegun === undefined ? {} : { unbegun: verdictUnbegun }),
    },
  };
}

/** Writes a timeline as JSON: time, what happened, attempt and cause of each entry. */
function writeTimeline(entries: Run["timeline"]): Columns {
  if (entries === undefined) return {};
  const rows = entries.map(({ at, what, attempt, cause }) => [
    at,
    what,
    attempt,
    ...(cause === undefined ? [] : [cause]),
  ]);
  return { timeline: JSON.stringify(rows) };
}

/**
 * Reads a timeline. One that can't be read is left out, because nothing is decided by it. A tick reads those of all runs
 * at work, so that they are checked here, and not by a schema, which takes several times as long.
 */
function readTimeline({ timeline }: Columns): Pick<Run, "timeline"> {
  const rows = typeof timeline === "string" ? parsed(timeline) : undefined;
  if (!Array.isArray(rows) || !rows.every(isEntry)) return {};
  return {
    timeline: rows.map(([at, what, attempt, cause]) =>
      cause === undefined ? { at, what, attempt } : { at, what, attempt, cause },
    ),
  };
}

type EntryRow = readonly [at: number, what: string, attempt: number, cause?: string];

function isEntry(row: unknown): row is EntryRow {
  if (!Array.isArray(row) || row.length < 3 || row.length > 4) return false;
  const [at, what, attempt, cause]: readonly unknown[] = row;
  return (
    typeof at === "number" &&
    typeof what === "string" &&
    typeof attempt === "number" &&
    (cause === undefined || typeof cause === "string")
  );
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
