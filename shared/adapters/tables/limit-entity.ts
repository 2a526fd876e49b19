import { z } from "zod";
import type { ModuleLimit } from "../../run/module-limit.ts";
import { type Columns, count, decoded, prose, text, time } from "./columns.ts";

/** The columns of a `limit|` row. `places` are its slots, under the name that an earlier release reads. */
const LIMIT = z.object({
  module: text,
  places: count,
  who: text,
  why: z.exactOptional(prose),
  since: time,
  until: z.exactOptional(time),
});

export function writeLimit(limit: ModuleLimit): Columns {
  const { slots, ...others } = limit;
  return z.encode(LIMIT, { ...others, places: slots });
}

/** Reads the columns of a `limit|` row. Throws BadRowError if they are not a limit's. */
export function readLimit(columns: Columns): ModuleLimit {
  const { places, ...others } = decoded(LIMIT, columns);
  return { ...others, slots: places };
}
