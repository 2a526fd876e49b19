import { createHash } from "node:crypto";
import type { EpochMs } from "../../clock.ts";
import type { LetterFacts, LettersWanted } from "../../ports/run-table.ts";
import type { NotedLetter } from "../../run/dead-letter.ts";
import type { GateScope } from "../../run/gate-state.ts";
import { inLineSince, type Run, type RunKey } from "../../run/run.ts";
import type { Source } from "../../run/source.ts";

/** Keys from `from` on, up to but not including `below`. */
export interface KeyRange {
  readonly from: string;
  readonly below: string;
}

/** Names the partition of the rows that belong to an instance as a whole. */
export function instancePartition(instance: string): string {
  return escapeKey(instance);
}

/**
 * Names the partition of one source's rows. Two sources share it only if the bus takes them for one entity; two
 * instances never share it.
 */
export function sourcePartition(instance: string, source: Source): string {
  return [escapeKey(instance), ...sourceParts(source)].join("|");
}

/** Gives the parts of a source for keys and blob paths: its kind, then its names in lower case, escaped. */
export function sourceParts(source: Source): string[] {
  const parts = "queue" in source ? ["q", source.queue] : ["t", source.topic, source.subscription];
  return parts.map((part) => escapeKey(part.toLowerCase()));
}

/**
 * Escapes text for a key or a blob path, so that different texts stay different. Everything but lower-case letters,
 * digits, `.` and `-` becomes `_` and two hex digits for each byte of UTF-8. The result has no `/ \ # ? %`, no control
 * character, and no `|`, which joins the parts.
 */
export function escapeKey(text: string): string {
  return text.replace(/[^a-z0-9.-]/gu, (character) =>
    Array.from(Buffer.from(character, "utf8"), (byte) => `_${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

/** Gives the text that `escapeKey` has escaped. */
export function unescapeKey(key: string): string {
  return key.replace(/(?:_[0-9a-f]{2})+/gu, (bytes) => Buffer.from(bytes.replaceAll("_", ""), "hex").toString("utf8"));
}

export const CLUSTER_ROW = "cluster";
export const OWNER_ROW = "owner";
export const SWEEP_ROW = "sweep";
export const TICK_ROW = "tick";
export const LEASE_ROW = "lease";
export const ENDS_ROW = "ends";

/** Names the row of an open run that is at work: every status but `waiting` and `held`. */
export function workRow(key: Omit<RunKey, "source">): string {
  return `work|${idOf(key)}`;
}

export const WORK_ROWS: KeyRange = everyRow("work");

/** Reads which run the row of a run at work is of, from its key. */
export function workIn(row: string): Omit<RunKey, "source"> {
  return readId(row.split("|").slice(1));
}

/**
 * Names the row of a waiting run that stands in its module's line. The line is in the order in which the messages were
 * enqueued: see `inLineSince`.
 */
function lineRow(run: Run): string {
  return `${lineOf(run.module).from}${ofTime(inLineSince(run))}|${idOf(run)}`;
}

/** Gives the range of the line of one module. */
export function lineOf(module: string): KeyRange {
  return everyRow(`wait|${escapeKey(module)}`);
}

/** The lines of all modules of a source. */
export const LINES: KeyRange = everyRow("wait");

/** The lines, and the runs at work. No other rows lie between them, so that one look tells whether there are any. */
export const READY_ROWS: KeyRange = { from: LINES.from, below: WORK_ROWS.below };

/** Names the row of a waiting run whose time has not come. The rows are in the order in which they come due. */
function laterRow(run: Pick<Run, "module" | "notBefore" | "sequenceNumber" | "enqueuedAt">): string {
  return `later|${ofTime(run.notBefore)}|${escapeKey(run.module)}|${idOf(run)}`;
}

export const LATER_ROWS: KeyRange = everyRow("later");

/** Reads of which module and which run the row of a run is that waits for its time, from its key. */
export function laterIn(row: string): Omit<RunKey, "source"> & { readonly module: string } {
  const [, , module = "", ...id] = row.split("|");
  return { module: moduleOf(module), ...readId(id) };
}

/** Names the row of a held run, under the module that takes its message or under none. The oldest number is first. */
function holdRow(run: Pick<Run, "module" | "sequenceNumber" | "enqueuedAt">): string {
  return `${heldOf(run.module).from}${idOf(run)}`;
}

/** Gives the range of the held runs of one module, or of those that no module takes if the name is empty. */
export function heldOf(module: string): KeyRange {
  return everyRow(`hold|${moduleOrNone(module)}`);
}

function moduleOrNone(module: string): string {
  return module === "" ? "-" : escapeKey(module);
}

/** Gives the module that `moduleOrNone` has written. */
function moduleOf(key: string): string {
  return key === "-" ? "" : unescapeKey(key);
}

/** The held runs of all modules of a source. */
export const HOLD_ROWS: KeyRange = everyRow("hold");

/**
 * Reads of which module the row of a run in line or of a held one is, and since when it has its place, from its key. No
 * redriven run is held.
 */
export function turnIn(row: string): { readonly module: string; readonly turn: EpochMs } {
  const [kind, module = "", ...rest] = row.split("|");
  return { module: moduleOf(module), turn: kind === "hold" ? readId(rest).enqueuedAt : Number(rest[0]) };
}

/**
 * Names the row in which an open run belongs. A waiting run stands in line once its time has come, and under that time
 * until then.
 */
export function openRowOf(run: Run, now: EpochMs): string {
  if (run.status === "held") return holdRow(run);
  if (run.status !== "waiting") return workRow(run);
  return run.notBefore > now ? laterRow(run) : lineRow(run);
}

/** Gives the row that a run's mark has to note: its own, unless the run is at work and is looked for there first. */
export function notedRow(row: string): string | undefined {
  return row.startsWith(WORK_ROWS.from) ? undefined : row;
}

/** The rows of open runs as versions before the first release wrote them. */
export const OLD_ROWS: KeyRange = everyRow("open");

export function oldRow(sequenceNumber: number): string {
  return `open|${padded(sequenceNumber)}`;
}

/** Whether an open run's row has the identity of this run in its key. */
export function isRowOf(row: string, key: Omit<RunKey, "source">): boolean {
  return row.endsWith(`|${idOf(key)}`);
}

/** Gives the part of a range that comes after a row; all of it if no row is named. */
export function after(row: string | undefined, range: KeyRange): KeyRange {
  return row === undefined ? range : { from: behind(row), below: range.below };
}

/** Gives the first key that may follow a row. */
function behind(row: string): string {
  // `!` comes before every character of a key.
  return `${row}!`;
}

/** Gives the part of a run's line, or of what is held of its module, that comes before it. */
export function aheadOf(run: Run): KeyRange {
  if (run.status === "held") return { from: heldOf(run.module).from, below: holdRow(run) };
  return { from: lineOf(run.module).from, below: lineRow(run) };
}

/** Gives the range of the line, or of the held runs of one module, in which this row stands. */
export function lineAt(row: string): KeyRange {
  const [kind, module] = row.split("|");
  return everyRow(`${kind}|${module}`);
}

/** Gives the part of all lines, or of all held runs, that comes after the line in which this row stands. */
export function linesAfter(row: string, range: KeyRange): KeyRange {
  return { from: lineAt(row).below, below: range.below };
}

export function runRow({ sequenceNumber, enqueuedAt, redrive }: Omit<RunKey, "source">): string {
  // guard: enqueued-time-in-row
  return `run|${day(enqueuedAt)}|${padded(sequenceNumber)}|${enqueuedAt}${generation(redrive)}`;
}

/**
 * Gives ranges of `run|` rows that together hold the rows of all these runs; with `redrives`, also those of all redrives
 * of them. Each has room for `most` rows, however many runs there were between the first run and the last: it lies within
 * one day, and its sequence numbers are close together.
 */
export function runRanges(
  keys: readonly Omit<RunKey, "source">[],
  most: number,
  { redrives = false }: { readonly redrives?: boolean } = {},
): KeyRange[] {
  const end = (row: string) => (redrives ? everyRow(row).below : behind(row));
  const ranges: { first: Omit<RunKey, "source">; from: string; below: string }[] = [];
  for (const key of keys.toSorted((a, b) => (runRow(a) < runRow(b) ? -1 : 1))) {
    const row = runRow(key);
    const last = ranges.at(-1);
    if (
      last &&
      day(last.first.enqueuedAt) === day(key.enqueuedAt) &&
      key.sequenceNumber - last.first.sequenceNumber < most
    )
      last.below = end(row);
    else ranges.push({ first: key, from: row, below: end(row) });
  }
  return ranges.map(({ from, below }) => ({ from, below }));
}

/**
 * Gives the range of the `run|` rows of messages enqueued up to the day of `time`, and a day more, because the bus's
 * clock differs from ours.
 */
export function runRowsUpTo(time: EpochMs): KeyRange {
  return { from: "run|", below: `run|${day(time + 2 * DAY_MS)}` };
}

/** The `run|` rows of all runs of a source. */
export const RUN_ROWS: KeyRange = everyRow("run");

/** The rows by which runs are found, in the order of their keys. */
export const SEARCH_ROWS: readonly KeyRange[] = [everyRow("corr"), everyRow("msg")];

/** Gives the range of the closed and open `run|` rows of messages that were enqueued on the UTC day of `time`. */
export function runRowsOfDay(time: EpochMs): KeyRange {
  return everyRow(`run|${day(time)}`);
}

/** Gives the part of a day's `run|` rows whose sequence numbers are this one or above. */
export function runRowsFrom(time: EpochMs, sequenceNumber: number): KeyRange {
  const { from, below } = runRowsOfDay(time);
  return { from: `${from}${padded(sequenceNumber)}`, below };
}

/** Gives the part of a day's `run|` rows whose sequence numbers are below this one; all of them if there is none. */
export function runRowsBelow(time: EpochMs, sequenceNumber: number | undefined): KeyRange {
  const all = runRowsOfDay(time);
  return sequenceNumber === undefined ? all : { from: all.from, below: runRowsFrom(time, sequenceNumber).from };
}

/** Reads which run a `run|` row is of, from its key. */
export function runIn(row: string): Omit<RunKey, "source"> {
  return readId(row.split("|").slice(2));
}

/** Gives the range of the rows by which runs are found by their message's id, or by its correlation id. */
export function rowsFoundBy(kind: "msg" | "corr", id: string): KeyRange {
  return everyRow(`${kind}|${createHash("sha256").update(id).digest("hex").slice(0, 16)}`);
}

/** Names the row by which a run is found by one of these ids. */
export function rowFoundBy(kind: "msg" | "corr", id: string, key: Omit<RunKey, "source">): string {
  return `${rowsFoundBy(kind, id).from}${idOf(key)}`;
}

/** Names the row of a dead letter. Of each group the newest is first. */
export function deadRow(
  letter: Pick<NotedLetter, "module" | "reason" | "group" | "closedAt" | "sequenceNumber" | "enqueuedAt">,
): string {
  const { module, reason, group, closedAt } = letter;
  return `${deadRows({ module, reason, group: group.id }).from}${newestFirst(closedAt)}|${idOf(letter)}`;
}

/** Gives the range of the failure group in which the row of a dead letter stands. */
export function groupAt(row: string): KeyRange {
  return everyRow(row.split("|", 4).join("|"));
}

/** Reads what the key of a dead letter's row says. */
export function letterIn(row: string): LetterFacts {
  const [, module = "", reason = "", group = ""] = row.split("|");
  return { module: moduleOf(module), reason, group, closedAt: closedAtIn(row) };
}

/** Reads when the run of a dead letter closed, from the key of its row. */
export function closedAtIn(row: string): EpochMs {
  return END_OF_TIME - 1 - Number(row.split("|")[4]);
}

/**
 * Gives the smallest range that holds the wanted dead letters: those of a module, of a reason there, or of a group. A
 * part that is not given leaves out what comes behind it.
 */
export function deadRows({ module, reason, group }: LettersWanted): KeyRange {
  const parts = [module === undefined ? undefined : moduleOrNone(module), reason, group];
  const gap = parts.indexOf(undefined);
  return everyRow(["dead", ...parts.slice(0, gap === -1 ? parts.length : gap)].join("|"));
}

export function registryRow(partition: string): string {
  return `source|${partition}`;
}

export function moduleRow(module: string): string {
  return `module|${module}`;
}

/** Names the row that holds the source of this partition. */
export function heldRow(partition: string): string {
  return `held|${partition}`;
}

export const HELD_ROWS: KeyRange = everyRow("held");

export const MODULE_ROWS: KeyRange = everyRow("module");

/** Names the row of a person's limit on a module. It is not the module's own row, which a release may replace. */
export function limitRow(module: string): string {
  return `limit|${module}`;
}

export const LIMIT_ROWS: KeyRange = everyRow("limit");

/** Names the row of the last redrive of a source. */
export function redriveRow(partition: string): string {
  return `redrive|${partition}`;
}

export const REDRIVE_ROWS: KeyRange = everyRow("redrive");

/** Names a row of the action log. The newest is first. `random` keeps apart what is done within one millisecond. */
export function actionRow(at: EpochMs, random: string): string {
  return `action|${newestFirst(at)}|${random}`;
}

export const ACTION_ROWS: KeyRange = everyRow("action");

/** Gives the rows of the action log from before this time. */
export function actionsBefore(time: EpochMs): KeyRange {
  // `}` is the character after `|`, and what was done at this very time is kept.
  return { from: `action|${ofTime(END_OF_TIME - 1 - time)}}`, below: ACTION_ROWS.below };
}

export function gateRow(scope: GateScope): string {
  return ["gate", ...("module" in scope ? ["m", escapeKey(scope.module)] : sourceParts(scope.source))].join("|");
}

export const GATE_ROWS: KeyRange = everyRow("gate");

export const REGISTRY_ROWS: KeyRange = everyRow("source");

const DAY_MS = 24 * 60 * 60 * 1000;

function everyRow(kind: string): KeyRange {
  // `}` is the character after `|`.
  return { from: `${kind}|`, below: `${kind}}` };
}

/** Orders rows by an identity, which is the same for every row of one run. */
function idOf({ sequenceNumber, enqueuedAt, redrive }: Omit<RunKey, "source">): string {
  return `${padded(sequenceNumber)}|${ofTime(enqueuedAt)}${generation(redrive)}`;
}

/** Reads an identity from those parts of a key that begin with the sequence number. */
function readId([number, enqueuedAt, redrive]: readonly string[]): Omit<RunKey, "source"> {
  const original = { sequenceNumber: Number(number), enqueuedAt: Number(enqueuedAt) };
  return redrive === undefined ? original : { ...original, redrive: Number(redrive.slice(1)) };
}

/** Marks the keys of a redriven run. They sort right behind those of the run that its message was accepted as. */
function generation(redrive: number | undefined): string {
  return redrive === undefined ? "" : `|r${redrive}`;
}

/** Pads a time in ms to 15 digits, which every time that a table can hold fits into, so that rows sort by it. */
function ofTime(time: EpochMs): string {
  return String(Math.max(0, Math.round(time))).padStart(15, "0");
}

/** Any time in a row's key is below it. */
const END_OF_TIME = 10 ** 15;

/** Writes a time so that later times sort before earlier ones. */
function newestFirst(time: EpochMs): string {
  return ofTime(END_OF_TIME - 1 - Math.round(time));
}

function day(time: EpochMs): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Pads a number to 20 digits, so that rows sort as their numbers do. */
export function padded(sequenceNumber: number): string {
  return String(sequenceNumber).padStart(20, "0");
}
