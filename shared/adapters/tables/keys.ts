import type { EpochMs } from "../../clock.ts";
import type { RunKey } from "../../run/run.ts";
import type { Source } from "../../run/source.ts";

/** From `from` on, up to but not including `below`. */
export interface KeyRange {
  readonly from: string;
  readonly below: string;
}

/** The partition of the rows that belong to an instance as a whole. */
export function instancePartition(instance: string): string {
  return escapeKey(instance);
}

/** The partition of one source's rows. Two sources share one only if the bus holds them for the same entity; two instances never do. */
export function sourcePartition(instance: string, source: Source): string {
  return [escapeKey(instance), ...sourceParts(source)].join("|");
}

/** The parts of a source as keys and blob paths hold them: its kind, then its names, lower case and escaped. */
export function sourceParts(source: Source): string[] {
  const parts = "queue" in source ? ["q", source.queue] : ["t", source.topic, source.subscription];
  return parts.map((part) => escapeKey(part.toLowerCase()));
}

/**
 * Text that may stand in a key or a blob path, different for different texts: everything but lower-case letters, digits, `.` and `-`
 * becomes `_` and two hex digits per byte of UTF-8. So no `/ \ # ? %`, no control character, and no `|`, which joins the parts.
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

/** The `run|` rows of messages enqueued up to the end of the day of `time`, and a day more: the bus's clock is not ours. */
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

/** Twenty digits, so that rows sort as their numbers do. */
export function padded(sequenceNumber: number): string {
  return String(sequenceNumber).padStart(20, "0");
}
