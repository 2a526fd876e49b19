import type { EpochMs } from "../../clock.ts";
import type { RunKey } from "../../run/run.ts";
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

export const OWNER_ROW = "owner";
export const SWEEP_ROW = "sweep";
export const TICK_ROW = "tick";

export function openRow(sequenceNumber: number): string {
  return `open|${padded(sequenceNumber)}`;
}

export const OPEN_ROWS: KeyRange = everyRow("open");

export function runRow({ sequenceNumber, enqueuedAt }: Omit<RunKey, "source">): string {
  // guard: enqueued-time-in-row
  return `run|${day(enqueuedAt)}|${padded(sequenceNumber)}|${enqueuedAt}`;
}

/**
 * Gives the range of the `run|` rows of messages enqueued up to the day of `time`, and a day more, because the bus's
 * clock differs from ours.
 */
export function runRowsUpTo(time: EpochMs): KeyRange {
  return { from: "run|", below: `run|${day(time + 2 * DAY_MS)}` };
}

export function registryRow(partition: string): string {
  return `source|${partition}`;
}

export function moduleRow(module: string): string {
  return `module|${module}`;
}

export const MODULE_ROWS: KeyRange = everyRow("module");

export const REGISTRY_ROWS: KeyRange = everyRow("source");

const DAY_MS = 24 * 60 * 60 * 1000;

function everyRow(kind: string): KeyRange {
  // `}` is the character after `|`.
  return { from: `${kind}|`, below: `${kind}}` };
}

function day(time: EpochMs): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Pads a number to 20 digits, so that rows sort as their numbers do. */
export function padded(sequenceNumber: number): string {
  return String(sequenceNumber).padStart(20, "0");
}
