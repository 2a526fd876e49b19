import pLimit from "p-limit";
import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import { type CountedGroup, MOST_COUNTED } from "../../ports/run-table.ts";
import type { NotedLetter } from "../../run/dead-letter.ts";
import type { Reason } from "../../run/reasons.ts";
import { withoutEtag } from "./dead-letters.ts";

/** Messages that were dead-lettered for the same. Times are ms since 1970. */
export interface FailureGroupShown {
  /** 12 hex digits. */
  readonly id: string;
  /** The module that took the messages; empty if none did. */
  readonly module: string;
  readonly reason: Reason;
  readonly exitCode?: number;
  /** The last words of the work, with `#` in place of each number and id. */
  readonly text: string;
  /** How many dead letters it has, 1,000 at most. */
  readonly count: number;
  /** Whether it may have more than were counted. */
  readonly isMore: boolean;
  /** When the first of the counted ones was dead-lettered. */
  readonly firstAt: EpochMs;
  readonly lastAt: EpochMs;
  /** The letter that was dead-lettered last, and why, in the words that stand on it. */
  readonly sample: NotedLetter & { readonly description: string };
}

/** The failure groups of all sources. */
export interface FailureGroups {
  /** The largest first. */
  readonly groups: readonly FailureGroupShown[];
  /** How many groups there are besides. */
  readonly others: number;
}

const CONCURRENCY = 8;

/**
 * Gives the `limit` largest failure groups, of all modules or of one. They are counted at the time of asking. A group, or
 * a thousand letters of small groups, costs a request to the table, and each group that is shown three more.
 */
export async function deadGroups(
  deps: LookDependencies,
  { module, limit }: { readonly module?: string | undefined; readonly limit: number },
): Promise<FailureGroups> {
  const sources = await knownSources(deps);
  const found = await Promise.all(sources.map((source) => deps.table.failureGroups(source, module, limit)));
  const all = joined(found.flatMap(({ groups }) => groups));
  const largest = all.toSorted((a, b) => b.count - a.count || b.newest.closedAt - a.newest.closedAt).slice(0, limit);
  const groups = await pLimit(CONCURRENCY).map(largest, async (group) => shown(group, await wordsOn(deps, group)));
  const others = found.reduce((sum, one) => sum + one.others, all.length - largest.length);
  return { groups, others };
}

/** Joins the parts of each group. One that no module takes may be in several sources. */
function joined(parts: readonly CountedGroup[]): CountedGroup[] {
  const groups = new Map<string, CountedGroup>();
  for (const part of parts) {
    const { id } = part.newest.group;
    const known = groups.get(id);
    groups.set(id, known ? sum(known, part) : part);
  }
  return [...groups.values()];
}

function sum(a: CountedGroup, b: CountedGroup): CountedGroup {
  const count = a.count + b.count;
  return {
    newest: a.newest.closedAt < b.newest.closedAt ? b.newest : a.newest,
    count: Math.min(count, MOST_COUNTED),
    isMore: a.isMore || b.isMore || count > MOST_COUNTED,
    firstAt: Math.min(a.firstAt, b.firstAt),
  };
}

async function wordsOn({ table }: LookDependencies, { newest }: CountedGroup): Promise<string> {
  const found = await table.find(newest);
  // Its run may have been purged or opened again since it was counted.
  return (found.kind === "closed" ? found.run.verdict?.description : undefined) ?? "";
}

function shown({ newest, count, isMore, firstAt }: CountedGroup, description: string): FailureGroupShown {
  const { module, reason, exitCode, group, closedAt } = newest;
  return {
    ...group,
    module,
    reason,
    ...(exitCode === undefined ? {} : { exitCode }),
    count,
    isMore,
    firstAt,
    lastAt: closedAt,
    sample: { ...withoutEtag(newest), description },
  };
}
