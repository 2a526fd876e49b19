import { z } from "zod";
import type { EpochMs } from "../../clock.ts";
import type { LastTick } from "../../ports/instance-table.ts";
import { CLOSED_STATUSES, CLUSTER_HOLDS, TEMPLATE_FAULTS } from "../../run/run.ts";
import type { TickCounts } from "../../run/tick-counts.ts";
import type { Columns } from "./columns.ts";

/** The most characters of one column. The service takes 32,768. */
const MOST_CHARACTERS = 30_000;

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
  seen: z.exactOptional(z.object({ at: z.number(), overdue: z.int(), orphans: z.int(), undelivered: z.int() })),
  ends: z.object({ since: z.number(), modules: z.record(z.string(), byName(CLOSED_STATUSES)) }),
});

/** Gives the columns of the row `tick`. Counts that are too long for one column go on in `counts1` and so on. */
export function writeTick(at: EpochMs, counts: TickCounts | undefined): Columns {
  const columns: Columns = { at: new Date(at) };
  const json = counts === undefined ? "" : JSON.stringify(counts);
  for (let part = 0; part * MOST_CHARACTERS < json.length; part += 1)
    columns[columnOf(part)] = json.slice(part * MOST_CHARACTERS, (part + 1) * MOST_CHARACTERS);
  return columns;
}

/**
 * Reads the row `tick`. Undefined if it names no time. Counts that can't be read are left out, because the time of the
 * tick matters more.
 */
export function readTick(columns: Columns): LastTick | undefined {
  if (!(columns.at instanceof Date)) return undefined;
  const at = columns.at.getTime();
  const counts = readCounts(columns);
  return counts === undefined ? { at } : { at, counts };
}

function readCounts(columns: Columns): TickCounts | undefined {
  let json = "";
  for (let part = 0; typeof columns[columnOf(part)] === "string"; part += 1) json += String(columns[columnOf(part)]);
  try {
    return COUNTS.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

function columnOf(part: number): string {
  return part === 0 ? "counts" : `counts${part}`;
}
