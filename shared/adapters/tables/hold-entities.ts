import { z } from "zod";
import type { ClusterRecord } from "../../run/cluster-record.ts";
import { HOLD_REASONS, type SourceHold } from "../../run/source-hold.ts";
import { type Columns, decoded, text, time } from "./columns.ts";

const CLUSTER = z.object({
  uid: z.exactOptional(text),
  namespace: text,
  nextUid: z.exactOptional(text),
  nextSince: z.exactOptional(time),
  doubtedSince: z.exactOptional(time),
});

const MISSING = z.object({ sequenceNumber: z.int(), enqueuedAt: z.int() });

/** The columns of a `held|` row, besides those of its source. `missing` holds a number and a time on each line. */
const HOLD = z.object({
  because: z.enum(HOLD_REASONS),
  since: time,
  confirmedAt: time,
  missing: z.codec(z.string(), z.array(MISSING), {
    decode: (lines) => lines.split("\n").filter(Boolean).map(readMissing),
    encode: (missing) => missing.map(({ sequenceNumber, enqueuedAt }) => `${sequenceNumber}:${enqueuedAt}`).join("\n"),
  }),
  acceptedAt: z.exactOptional(time),
});

function readMissing(line: string) {
  const [sequenceNumber, enqueuedAt] = line.split(":").map(Number);
  return { sequenceNumber: sequenceNumber ?? Number.NaN, enqueuedAt: enqueuedAt ?? Number.NaN };
}

export function writeCluster({ next, ...record }: ClusterRecord): Columns {
  return z.encode(CLUSTER, { ...record, ...(next === undefined ? {} : { nextUid: next.uid, nextSince: next.since }) });
}

/** Reads the columns of the row `cluster`. Throws BadRowError if they are not a cluster's. */
export function readCluster(columns: Columns): ClusterRecord {
  const { nextUid: uid, nextSince: since, ...record } = decoded(CLUSTER, columns);
  return { ...record, ...(uid === undefined || since === undefined ? {} : { next: { uid, since } }) };
}

export function writeHold(hold: SourceHold): Columns {
  return z.encode(HOLD, { ...hold, missing: [...hold.missing] });
}

/** Reads the columns of a `held|` row, besides those of its source. Throws BadRowError if they are not a hold's. */
export function readHold(columns: Columns): SourceHold {
  return decoded(HOLD, columns);
}
