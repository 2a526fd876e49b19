import { z } from "zod";
import { LETTER_HINDRANCES, type Redrive } from "../../run/redrive.ts";
import { BadRowError, type Columns, count, decoded, long, prose, text, time } from "./columns.ts";
import { readSource, writeSource } from "./run-entity.ts";

/** What is wanted, and what was left, as JSON: a person reads them, and no query asks for them. */
const WANTED = z.object({
  module: z.exactOptional(z.string()),
  reason: z.exactOptional(z.string()),
  group: z.exactOptional(z.string()),
  exitCode: z.exactOptional(z.number()),
  messageIds: z.exactOptional(z.array(z.string())),
  runs: z.exactOptional(z.array(z.string())),
  since: z.exactOptional(z.number()),
  until: z.exactOptional(z.number()),
});
const LEFT = z.partialRecord(z.enum(LETTER_HINDRANCES), z.number());

/** The columns of a `redrive|` row. */
const REDRIVE = z.object({
  orderedAt: time,
  who: text,
  why: z.exactOptional(prose),
  wanted: z.string(),
  most: z.exactOptional(count),
  perSecond: count,
  end: z.exactOptional(z.enum(["done", "aborted", "stopped"])),
  endedAt: z.exactOptional(time),
  problem: z.exactOptional(prose),
  cursor: long,
  isThrough: z.boolean(),
  redriven: count,
  lastRun: z.exactOptional(text),
  left: z.string(),
});

export function writeRedrive({ source, wanted, left, ...facts }: Redrive): Columns {
  const columns = z.encode(REDRIVE, { ...facts, wanted: JSON.stringify(wanted), left: JSON.stringify(left) });
  return { ...writeSource(source), ...columns };
}

/** Reads the columns of a `redrive|` row. Throws BadRowError if they are not a redrive's. */
export function readRedrive(columns: Columns): Redrive {
  const { wanted, left, ...facts } = decoded(REDRIVE, columns);
  try {
    return {
      ...facts,
      source: readSource(columns),
      wanted: WANTED.parse(JSON.parse(wanted)),
      left: LEFT.parse(JSON.parse(left)),
    };
  } catch (error) {
    if (error instanceof BadRowError) throw error;
    throw new BadRowError("its columns wanted and left are not as the Dispatcher wrote them");
  }
}
