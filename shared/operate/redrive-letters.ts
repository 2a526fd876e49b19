import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import { browsePages } from "../observe/browse-pages.ts";
import { knownSources } from "../observe/open-runs.ts";
import type { StoredRedrive } from "../ports/instance-table.ts";
import { MOST_IN_FRONT } from "../redrive/carry-out.ts";
import { isWanted, type SeenLetter, seeLetters } from "../redrive/letters.ts";
import { nameOfRun } from "../run/dead-letter.ts";
import { ended, isAtWork, type LetterHindrance, type Redrive, type RedriveWanted } from "../run/redrive.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import { type Answer, already, done, refused, would } from "./answer.ts";
import { actionOf, type Doing, fieldsOf } from "./by.ts";

/** What a redrive of one source would do. */
export interface RedrivePlan {
  readonly source: Source;
  /** So many letters would be redriven. */
  readonly letters: number;
  /** How many wanted ones would not be, by what hinders them. */
  readonly left: Readonly<Partial<Record<LetterHindrance, number>>>;
  /** A letter that would not be redriven, by what hinders it, and what its module's schema says of it. */
  readonly examples: Readonly<Partial<Record<LetterHindrance, HinderedLetter>>>;
  /** How many letters that are not wanted lie in front of the last one. They are held meanwhile. */
  readonly inFront: number;
  /** How many can't be reached, because more than 10,000 others lie in front of them. */
  readonly tooDeep: number;
  /** Which of the wanted runs and message ids have a letter here, hindered or not. */
  readonly met: Required<Pick<RedriveWanted, "runs" | "messageIds">>;
}

interface HinderedLetter {
  readonly messageId: string;
  readonly problem?: string;
}

/** How dead letters are redriven. */
export interface Redriving extends Doing {
  /** So many at most. */
  readonly most?: number;
  /** So many in a second at most. */
  readonly perSecond: number;
  /** Whether the person sees to it that a replica is kept, though the app may sleep. */
  readonly replicaIsKept?: boolean;
}

type OrderDependencies = Pick<Dependencies, "instanceTable" | "clock" | "kedaVersion">;

/** A plan, and which letters were wanted. */
export type PlannedRedrive = RedrivePlan & { readonly wanted: RedriveWanted };

/**
 * Says what redrives of the wanted letters would do, redrive by redrive and source by source; a source without a wanted
 * letter is left out. Peeks through each dead letter queue once, judges each wanted letter by today's module files, and
 * changes nothing.
 */
export async function planRedrives(
  deps: Dependencies,
  all: readonly RedriveWanted[],
  onLook: (looked: number) => void = () => {},
): Promise<PlannedRedrive[]> {
  const orderedAt = deps.clock.now();
  const plans: (PlannedRedrive | undefined)[][] = [];
  let looked = 0;
  for (const source of await knownSources(deps)) {
    const begun = all.map((wanted) => beginPlan(source, { wanted, orderedAt }));
    for await (const page of browsePages(deps, { deadLettersOf: source })) {
      for (const seen of await seeLetters(deps, source, page)) for (const plan of begun) plan.see(seen);
      looked += page.length;
      onLook(looked);
    }
    plans.push(begun.map((plan) => plan.end()));
  }
  return all.flatMap((_, index) => plans.flatMap((ofSource) => ofSource[index] ?? []));
}

/** Begins to plan one redrive of one source by the letters that it sees, which have to come in order. */
function beginPlan(source: Source, { wanted, orderedAt }: Pick<Redrive, "wanted" | "orderedAt">) {
  let [letters, inFront, others, tooDeep] = [0, 0, 0, 0];
  const left: Partial<Record<LetterHindrance, number>> = {};
  const examples: Partial<Record<LetterHindrance, HinderedLetter>> = {};
  const met = { runs: new Set<string>(), messageIds: new Set<string>() };
  return {
    see(seen: SeenLetter): void {
      const { letter, original, judgement, hindrance } = seen;
      const isOne = isWanted(seen, { wanted, orderedAt });
      const isInOrder = letter.state === "active";
      if (isOne && wanted.runs) met.runs.add(nameOfRun(original));
      if (isOne && wanted.messageIds) met.messageIds.add(letter.messageId ?? "");
      if (isOne && hindrance !== undefined) {
        left[hindrance] = (left[hindrance] ?? 0) + 1;
        const problem = judgement.fits ? {} : { problem: judgement.problem };
        examples[hindrance] ??= { messageId: letter.messageId ?? "", ...problem };
      }
      if (!isOne || hindrance !== undefined) others += isInOrder ? 1 : 0;
      else if (isInOrder && others > MOST_IN_FRONT) tooDeep += 1;
      else {
        letters += 1;
        if (isInOrder) inFront = others;
      }
    },
    /** Gives the plan; undefined if no letter is wanted. */
    end(): PlannedRedrive | undefined {
      if (letters + tooDeep === 0 && Object.keys(left).length === 0) return undefined;
      const named = { runs: [...met.runs], messageIds: [...met.messageIds] };
      return { source, wanted, letters, left, examples, inFront, tooDeep, met: named };
    },
  };
}

/**
 * Orders a redrive of the wanted letters of a source. The ticks carry it out, so that it goes on whatever becomes of the
 * person's program. What failed after it was ordered is not among them.
 */
export async function orderRedrive(
  deps: OrderDependencies,
  source: Source,
  wanted: RedriveWanted,
  { by, dryRun = false, most, perSecond, replicaIsKept = false }: Redriving,
  log: Log,
): Promise<Answer> {
  const stored = await redriveOf(deps, source);
  if (stored && isAtWork(stored.redrive)) {
    const { who, orderedAt } = stored.redrive;
    return refused({ because: "redrive at work", who, orderedAt });
  }
  if (deps.kedaVersion !== undefined && !replicaIsKept) return refused({ because: "may sleep" });
  const limits = { perSecond, ...(most === undefined ? {} : { most }) };
  const facts = { did: "ordered a redrive", ...limits } as const;
  if (dryRun) return would(facts);
  const orderedAt = deps.clock.now();
  const begun: Redrive = {
    source,
    orderedAt,
    ...by,
    wanted,
    ...limits,
    cursor: 0,
    isThrough: false,
    redriven: 0,
    left: {},
  };
  const noted = { ...limits, wanted: JSON.stringify(wanted) };
  const action = actionOf(by, "redrive dead letters", sourceName(source), orderedAt, noted);
  // A source may have letters of others alone, and no run yet.
  await deps.instanceTable.registerSource(source);
  if (!(await isSaved(deps, begun, stored?.etag, action))) return refused({ because: "redrive moved on" });
  log.warn("ordered a redrive of dead letters by hand", { source: sourceName(source), ...noted, ...fieldsOf(by) });
  return done(facts);
}

/** Ends the redrive of a source. What was redriven goes on. Repeating it is harmless. */
export async function abortRedrive(
  deps: OrderDependencies,
  source: Source,
  { by, dryRun = false }: Doing,
  log: Log,
): Promise<Answer> {
  const stored = await redriveOf(deps, source);
  if (!stored || !isAtWork(stored.redrive)) return already({ was: "not redriven" });
  const { redriven } = stored.redrive;
  const facts = { did: "aborted a redrive", redriven } as const;
  if (dryRun) return would(facts);
  const now = deps.clock.now();
  const action = actionOf(by, "abort redrive", sourceName(source), now, { redriven });
  if (!(await isSaved(deps, ended(stored.redrive, "aborted", now), stored.etag, action)))
    return refused({ because: "redrive moved on" });
  log.warn("aborted a redrive by hand", { source: sourceName(source), redriven, ...fieldsOf(by) });
  return done(facts);
}

async function redriveOf({ instanceTable }: OrderDependencies, source: Source): Promise<StoredRedrive | undefined> {
  return (await instanceTable.redrives()).find(({ redrive }) => sourceKey(redrive.source) === sourceKey(source));
}

/** Says whether this write was made; false if another was first. */
async function isSaved(
  { instanceTable }: OrderDependencies,
  ...save: Parameters<Dependencies["instanceTable"]["saveRedrive"]>
): Promise<boolean> {
  try {
    await instanceTable.saveRedrive(...save);
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}
