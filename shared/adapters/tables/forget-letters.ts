import pLimit from "p-limit";
import { ConflictError } from "../../errors.ts";
import type { RunTable } from "../../ports/run-table.ts";
import type { NotedLetter } from "../../run/dead-letter.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { deadRow, runRow, sourcePartition } from "./keys.ts";
import type { TableRows } from "./rows.ts";
import { isNewer } from "./run-entity.ts";
import type { Step } from "./transactions.ts";

/** Letters that are forgotten at once. Those of one moment share a transaction. */
const CONCURRENCY = 32;
/** How often rows are read that change meanwhile. */
const MOST_LOOKS = 3;

/** Makes what deletes the rows of dead letters, and keeps their runs. */
export function makeForgetLetters(rows: TableRows, instance: string): RunTable["forgetLetters"] {
  return async (source, letters) => {
    await pLimit(CONCURRENCY).map([...letters], (letter) => forget(source, letter));
  };

  async function forget(source: Source, letter: NotedLetter): Promise<void> {
    const doing = `forgetting a dead letter of ${sourceName(source)}`;
    for (let look = 1; ; look += 1) {
      const steps = await stepsFor(source, letter, doing);
      if (steps.length === 0) return;
      try {
        return void (await rows.transact(steps, doing));
      } catch (error) {
        // The history's purge, or another person's, was first.
        if (!(error instanceof ConflictError) || look === MOST_LOOKS) throw error;
      }
    }
  }

  /** The run's row must no longer name the letter's, because the history's purge deletes what it names. */
  async function stepsFor(source: Source, letter: NotedLetter, doing: string): Promise<Step[]> {
    const partitionKey = sourcePartition(instance, source);
    const rowKey = deadRow(letter);
    const [dead, run] = await Promise.all([rowKey, runRow(letter)].map((key) => rows.get(partitionKey, key, doing)));
    if ([dead, run].some((row) => row && isNewer(row.columns))) return [];
    const steps: Step[] = [];
    if (dead) steps.push({ kind: "delete", row: { partitionKey, rowKey }, etag: dead.etag });
    const { deadRow: named, ...columns } = run?.columns ?? {};
    if (run && named === rowKey)
      steps.push({ kind: "replace", row: { ...columns, partitionKey, rowKey: run.rowKey }, etag: run.etag });
    return steps;
  }
}
