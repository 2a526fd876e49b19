import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import type { Source } from "../../run/source.ts";

/** So close to the right number the search ends, because the rows in between are read at once. */
export const CLOSE_ENOUGH = 100;

/** So many times `CLOSE_ENOUGH` beyond the first run the search asks first, and then so many times as far. */
const STEPS = [1, 4, 16];
const NEXT_STEPS = 64;
/** Where the search asks between two numbers. */
const QUARTERS = [1 / 4, 2 / 4, 3 / 4];

/** The number that is looked for is `low` or above, and below `high`. */
interface Between {
  readonly low: number;
  readonly high: number;
}

/**
 * Finds a number behind which all runs of a day are whose messages were enqueued from `since` on, and few others:
 * sequence numbers rise with time. Undefined if the day begins later. A day may have hundreds of thousands of runs, and
 * this takes some twenty requests of one key, three of them at a time.
 */
export async function numberBefore(
  { table }: { readonly table: Pick<LookDependencies["table"], "runBehind"> },
  source: Source,
  { day, since }: { readonly day: EpochMs; readonly since: EpochMs },
): Promise<number | undefined> {
  /** The number of the first run behind a number, if its message is too old. */
  const tooOld = async (behind: number): Promise<number | undefined> => {
    const run = await table.runBehind(source, day, behind);
    return run && run.enqueuedAt < since ? run.sequenceNumber : undefined;
  };
  const oldest = await tooOld(0);
  if (oldest === undefined) return undefined;
  /** Asks behind these numbers, which rise, and gives two that are closer to each other. */
  const ask = async ({ low, high }: Between, numbers: readonly number[]): Promise<Between> => {
    const old = await Promise.all(numbers.map(tooOld));
    const firstNew = old.indexOf(undefined);
    return {
      low: (firstNew === -1 ? old : old.slice(0, firstNew)).at(-1) ?? low,
      high: numbers[firstNew] ?? high,
    };
  };
  let between: Between = { low: oldest, high: Number.POSITIVE_INFINITY };
  for (let span = CLOSE_ENOUGH; between.high === Number.POSITIVE_INFINITY; span *= NEXT_STEPS) {
    const { low } = between;
    between = await ask(
      between,
      STEPS.map((step) => low + step * span),
    );
  }
  while (between.high - between.low > CLOSE_ENOUGH) {
    const { low, high } = between;
    between = await ask(
      between,
      QUARTERS.map((part) => low + Math.floor(part * (high - low))),
    );
  }
  return between.low;
}
