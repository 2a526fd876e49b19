import { z } from "zod";
import type { EndsBySlot } from "../../run/recent-ends.ts";
import { CLOSED_STATUSES } from "../../run/run.ts";
import type { Columns } from "./columns.ts";
import { readJson, writeJson } from "./json-columns.ts";

const numbered = z.coerce.number<string>();
const durations = z.record(numbered, z.int());
/** What `ends` holds, as JSON. Times are ms since 1970. */
const ENDS = z.object({
  since: z.number(),
  slots: z.record(numbered, z.record(z.string(), z.partialRecord(z.enum(CLOSED_STATUSES), z.int()))),
  took: z.record(numbered, z.record(z.string(), z.object({ job: durations, whole: durations }))).exactOptional(),
});

/** Gives the columns of the row `ends`. */
export function writeEnds(ends: EndsBySlot): Columns {
  return writeJson("ends", ends);
}

/** Reads the row `ends`. Undefined if it can't be read: the count then begins anew, and nothing is decided by it. */
export function readEnds(columns: Columns): EndsBySlot | undefined {
  return ENDS.safeParse(readJson("ends", columns)).data;
}
