import { odata } from "@azure/data-tables";
import pLimit from "p-limit";
import { z } from "zod";
import type { EpochMs } from "../../clock.ts";
import { type EarlierRun, MOST_COUNTED, type RunTable, type StoredLetter } from "../../ports/run-table.ts";
import type { NotedLetter } from "../../run/dead-letter.ts";
import { REASONS } from "../../run/reasons.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { type Columns, decoded, long, count as number, prose, text, time } from "./columns.ts";
import { after, closedAtIn, deadRow, deadRows, groupAt, type KeyRange, runRow, sourcePartition } from "./keys.ts";
import { PAGE, readUpTo } from "./read-up-to.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isNewer, versionOf, writeOtherRows } from "./run-entity.ts";
import { ANY_ETAG } from "./run-steps.ts";
import type { Step } from "./transactions.ts";

/** The columns of a `dead|` row. The id and the text of the failure's group lie flat. */
const DEAD = z.object({
  module: text,
  reason: z.enum(REASONS),
  exitCode: z.exactOptional(number),
  group: text,
  groupText: prose,
  lastWords: z.exactOptional(prose),
  messageId: text,
  attempts: number,
  closedAt: time,
  sequenceNumber: long,
  enqueuedAt: time,
  redrive: z.exactOptional(number),
} satisfies Record<Exclude<keyof NotedLetter, "source"> | "groupText", z.ZodType>);

/**
 * Makes the row of the dead letter that a closed run leaves, and the column of its `run|` row that names it. There are
 * none if it leaves no dead letter. It is put and not created, as the rows of a search are.
 */
export function deadLetterRow(
  letter: NotedLetter | undefined,
  partitionKey: string,
): { readonly steps: Step[]; readonly columns: Columns } {
  if (!letter) return { steps: [], columns: {} };
  const rowKey = deadRow(letter);
  const { group, ...facts } = letter;
  const columns = z.encode(DEAD, { ...facts, group: group.id, groupText: group.text });
  return {
    steps: [{ kind: "put", row: { version: versionOf(letter), ...columns, partitionKey, rowKey } }],
    columns: writeOtherRows({ deadRow: rowKey }),
  };
}

/** Gives the key of the row in which the letter of a closed run stands, as the run's row says. */
export function listedRow({ columns }: EarlierRun): string | undefined {
  return typeof columns.deadRow === "string" ? columns.deadRow : undefined;
}

/**
 * Takes the letter of a closed run out of the lists of dead letters: deletes the row in which it stands, if it is
 * `listed` in one. The run's row is no longer to name that, because the history's purge leaves runs alone that name one,
 * and deletes what it names. If it names none already, it is written all the same: its new ETag keeps `noteAgain` from
 * noting a letter that is being redriven.
 */
export function takeLetter(
  partitionKey: string,
  { run, etag, columns }: EarlierRun,
  listed: string | undefined,
): readonly Step[] {
  const { deadRow: _, ...rest } = columns;
  const unnamed: Step = { kind: "replace", row: { ...rest, partitionKey, rowKey: runRow(run) }, etag };
  if (listed === undefined) return [unnamed];
  return [{ kind: "delete", row: { partitionKey, rowKey: listed }, etag: ANY_ETAG }, unnamed];
}

/** Writes the row of a closed run's letter once more, and its name into the run's row. */
export function noteAgain(
  partitionKey: string,
  { run, etag, columns }: EarlierRun,
  letter: NotedLetter,
): readonly Step[] {
  const dead = deadLetterRow(letter, partitionKey);
  const row = { ...columns, ...dead.columns, partitionKey, rowKey: runRow(run) };
  return [{ kind: "replace", row, etag }, ...dead.steps];
}

/** Makes the part of the port that lists dead letters and counts their groups. */
export function makeDeadLetters(
  rows: TableRows,
  instance: string,
  readable: ReadRows,
): Pick<RunTable, "deadLetters" | "failureGroups"> {
  const lettersIn = (source: Source, range: KeyRange, limit: number, filter?: string): Promise<StoredLetter[]> => {
    const letterOf = ({ columns, etag }: Row) => {
      const { group: id, groupText, ...facts } = decoded(DEAD, columns);
      return { source, ...facts, group: { id, text: groupText }, etag };
    };
    return readUpTo(
      (part, size) =>
        rows.query(
          sourcePartition(instance, source),
          part,
          { limit: size, ...(filter === undefined ? {} : { filter }) },
          `listing the dead letters of ${sourceName(source)}`,
        ),
      range,
      limit,
      (page) =>
        readable(
          page.filter(({ columns }) => !isNewer(columns)),
          letterOf,
        ),
    );
  };

  return {
    deadLetters(source, wanted, limit, last) {
      const { reason, group, closedBefore } = wanted;
      // The range may be wider than what is wanted.
      const filters = [
        ...(reason === undefined ? [] : [odata`reason eq ${reason}`]),
        ...(group === undefined ? [] : [odata`group eq ${group}`]),
        ...(closedBefore === undefined ? [] : [odata`closedAt lt ${new Date(closedBefore)}`]),
      ];
      const range = after(last && deadRow(last), deadRows(wanted));
      return lettersIn(source, range, limit, filters.length === 0 ? undefined : filters.join(" and "));
    },

    async failureGroups(source, module, limit) {
      const counted = await countGroups(
        rows,
        sourcePartition(instance, source),
        deadRows(module === undefined ? {} : { module }),
      );
      const largest = counted.toSorted((a, b) => b.count - a.count || b.lastAt - a.lastAt).slice(0, limit);
      const groups = await pLimit(CONCURRENCY).map(largest, async ({ range, count, isMore, firstAt }) => {
        const [newest] = await lettersIn(source, range, 1);
        // A newer release wrote all of its rows.
        return newest ? [{ newest, count, isMore, firstAt }] : [];
      });
      return { groups: groups.flat(), others: counted.length - largest.length };
    },
  };
}

/** So many groups' newest letters are read at once. */
const CONCURRENCY = 16;

interface Counted {
  readonly range: KeyRange;
  readonly lastAt: EpochMs;
  firstAt: EpochMs;
  count: number;
  isMore: boolean;
}

/**
 * Counts the letters of each group in a range by their keys alone, group by group. Passes over what a group has beyond
 * the most that are counted, so that a large group costs one request or two, and not one for each thousand.
 */
async function countGroups(rows: TableRows, partition: string, range: KeyRange): Promise<Counted[]> {
  const groups: Counted[] = [];
  for (let rest = range; ; ) {
    const page = await rows.query(partition, rest, { limit: PAGE, select: [] }, "counting the dead letters");
    for (const { rowKey } of page) count(groups, rowKey);
    const last = page.at(-1);
    const group = groups.at(-1);
    if (!last || !group || page.length < PAGE) return groups;
    rest = group.isMore ? { from: group.range.below, below: range.below } : after(last.rowKey, range);
  }
}

function count(groups: Counted[], row: string): void {
  const range = groupAt(row);
  const at = closedAtIn(row);
  let group = groups.at(-1);
  if (group?.range.from !== range.from) {
    group = { range, lastAt: at, firstAt: at, count: 0, isMore: false };
    groups.push(group);
  }
  if (group.isMore) return;
  group.count += 1;
  group.firstAt = at;
  group.isMore = group.count === MOST_COUNTED;
}
