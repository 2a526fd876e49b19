import { z } from "zod";
import type { EpochMs } from "../../clock.ts";
import type { LastTick } from "../../ports/instance-table.ts";
import { CLUSTER_HOLDS, TEMPLATE_FAULTS } from "../../run/run.ts";
import type { TickCounts } from "../../run/tick-counts.ts";
import type { Columns } from "./columns.ts";
import { readJson, writeJson } from "./json-columns.ts";

const byName = <Names extends readonly [string, ...string[]]>(names: Names) => z.partialRecord(z.enum(names), z.int());

/** What `counts` holds, as JSON. Times are ms since 1970. */
const COUNTS = z.object({
  atWork: z.record(
    z.string(),
    z.object({
      byStatus: byName(["accepted", "dispatched", "requeueing", "settling"]),
      heldUpBy: byName([...TEMPLATE_FAULTS, ...CLUSTER_HOLDS]),
      busy: z.int(),
      oldestAt: z.number(),
    }),
  ),
  left: z.record(z.string(), z.int()),
  notStarted: z.int(),
  failed: z.int(),
  postponed: z.int(),
  files: z.exactOptional(z.record(z.string(), z.string())),
  seen: z.exactOptional(
    z.object({
      at: z.number(),
      overdue: z.int(),
      orphans: z.int(),
      orphanJobs: z.exactOptional(z.int()),
      undelivered: z.int(),
    }),
  ),
});

/** Gives the columns of the row `tick`. */
export function writeTick(at: EpochMs, counts: TickCounts | undefined): Columns {
  return { at: new Date(at), ...(counts === undefined ? {} : writeJson("counts", counts)) };
}

/**
 * Reads the row `tick`. Undefined if it names no time. Counts that can't be read are left out, because the time of the
 * tick matters more.
 */
export function readTick(columns: Columns): LastTick | undefined {
  if (!(columns.at instanceof Date)) return undefined;
  const at = columns.at.getTime();
  const counts = COUNTS.safeParse(readJson("counts", columns)).data;
  return counts === undefined ? { at } : { at, counts };
}
