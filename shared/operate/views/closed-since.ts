import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import type { Source } from "../../run/source.ts";

/** So close to the right number the search ends, because the rows in between are read at once. */
export const CLOSE_ENOUGH = 100;

/**
 * Finds a number behind which all runs of a day are whose messages were enqueued from `since` on, and few others:
 * sequence numbers rise with time. Undefined if the day begins later. A day may have hundreds of thousands of closed runs,
 * and this takes some thirty requests of one row.
 */
export async function numberBefore(
  { table }: { readonly table: Pick<LookDependencies["table"], "closedRuns"> },
  source: Source,
  { day, dayMs, since }: { readonly day: EpochMs; readonly dayMs: number; readonly since: EpochMs },
): Promise<number | undefined> {
  /** The number of the first run behind a number, if its message is too old. */
  const tooOld = async (behind: number): Promise<number | undefined> => {
    const key = { source, sequenceNumber: behind, enqueuedAt: day + dayMs - 1 };
    const [run] = await table.closedRuns(source, day, 1, key);
    return run && run.enqueuedAt < since ? run.sequenceNumber : undefined;
  };
  let low = await tooOld(0);
  if (low === undefined) return undefined;
  let high = low + CLOSE_ENOUGH;
  for (let old = await tooOld(high); old !== undefined; old = await tooOld(high)) {
    high = old + 2 * (high - low);
    low = old;
  }
  while (high - low > CLOSE_ENOUGH) {
    const middle = Math.floor((low + high) / 2);
    const old = await tooOld(middle);
    if (old === undefined) high = middle;
    else low = old;
  }
  return low;
}
