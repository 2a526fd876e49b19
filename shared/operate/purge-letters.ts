import pLimit from "p-limit";
import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies, LookDependencies } from "../dependencies.ts";
import { LockLostError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ReceivedLetter } from "../ports/message-broker.ts";
import { MOST_IN_FRONT } from "../redrive/carry-out.ts";
import { type NotedLetter, nameOfRun, nameOnLetter } from "../run/dead-letter.ts";
import type { PeekedMessage } from "../run/message.ts";
import { type Source, sourceName } from "../run/source.ts";
import { actionOf, type By, fieldsOf } from "./by.ts";
import { type ChosenOfSource, chooseLetters, type LettersChosen, lookThrough } from "./chosen-letters.ts";

/** What a purge of dead letters would do. */
export interface PurgePlan {
  /** The chosen letters, for the purge itself. */
  readonly letters: readonly NotedLetter[];
  /** How many of them lie on the bus. The others are gone, and only their rows are left. */
  readonly onBus: number;
  /** How many other letters lie in front of the chosen ones, at most in one queue. They are held meanwhile. */
  readonly inFront: number;
  /** How many of the chosen ones can't be reached, because more than 10,000 others lie in front. */
  readonly tooDeep: number;
}

/** What a purge did. */
export interface LettersPurged {
  /** Taken off the bus. */
  readonly removed: number;
  /** Were gone already, and so only their rows were deleted. */
  readonly gone: number;
  /** Still lie on the bus: they lie too deep, another receiver holds them, or they were redriven since they were chosen. */
  readonly left: number;
}

/** How to purge. */
export interface Purging {
  /** Whether only the rows go whose letters are gone from the bus. */
  readonly onlyGone?: boolean;
  /** Is told how many are done. */
  readonly tell?: (done: number) => void;
}

const BATCH = 100;
const CONCURRENCY = 16;

/** Says what a purge of the chosen letters would do. Peeks through their dead letter queues, and changes nothing. */
export async function planPurge(
  deps: LookDependencies,
  chosen: LettersChosen,
  onLook: (looked: number) => void = () => {},
): Promise<PurgePlan> {
  let [looked, onBus, inFront, tooDeep] = [0, 0, 0, 0];
  const sources = await chooseLetters(deps, chosen);
  for (const ofSource of sources) {
    let others = 0;
    for await (const { letter, message } of lookThrough(deps, ofSource)) {
      onLook((looked += 1));
      if (letter) onBus += 1;
      // A deferred letter is received by its number, and none lies in front of it.
      if (message.state === "deferred") continue;
      if (!letter) others += 1;
      else if (others > MOST_IN_FRONT) tooDeep += 1;
      else inFront = Math.max(inFront, others);
    }
  }
  return { letters: sources.flatMap(({ letters }) => [...letters.values()]), onBus, inFront, tooDeep };
}

/**
 * Takes dead letters off the bus for good, and then deletes the rows that note them. Their runs stay in the history. If
 * the process dies in between, the letter is found to be gone the next time, and its row is deleted then. The action log
 * of each source notes it before it is begun.
 *
 * A letter that was redriven since it was chosen is left: its message is that of another run, which is open or failed
 * anew. That is looked up just before it is completed. Of a deferred letter, which no lock holds, a redrive that claims
 * it within that one request is not seen.
 *
 * A deferred letter is received by its number. The others come in order: what was not chosen is held until the chosen
 * ones are reached, and given back then. That ends after half a lock duration, because locks that lapse would bring the
 * same letters again.
 *
 * With `onlyGone` nothing is taken off the bus: only the rows go whose letters are gone from it.
 */
export async function purgeLetters(
  deps: Dependencies,
  letters: readonly NotedLetter[],
  by: By,
  log: Log,
  { onlyGone = false, tell = () => {} }: Purging = {},
): Promise<LettersPurged> {
  const total = { removed: 0, gone: 0, left: 0 };
  for (const ofSource of await chooseLetters(deps, letters)) {
    const source = sourceName(ofSource.source);
    const facts = { letters: ofSource.letters.size, ...(onlyGone ? { onlyGone } : {}) };
    const action = actionOf(by, "purge dead letters", source, deps.clock.now(), facts);
    await deps.instanceTable.recordAction(action, ofSource.source);
    log.warn("purges dead letters by hand", { source, ...facts, ...fieldsOf(by) });
    const done = await purgeSource(deps, ofSource, {
      onlyGone,
      tell: (count) => tell(total.removed + total.gone + count),
    });
    total.removed += done.removed;
    total.gone += done.gone;
    total.left += done.left;
  }
  return total;
}

async function purgeSource(
  deps: Dependencies,
  ofSource: ChosenOfSource,
  { onlyGone, tell }: Required<Purging>,
): Promise<LettersPurged> {
  const { source, letters } = ofSource;
  const entity = { deadLettersOf: source };
  const gone = new Map(letters);
  /** The letters that have to be received in order, by the names of their runs. */
  const active = new Map<string, NotedLetter>();
  const deferred: {
    readonly letter: NotedLetter;
    readonly place: Pick<PeekedMessage, "sequenceNumber" | "enqueuedAt">;
  }[] = [];
  const removed: NotedLetter[] = [];
  let forgotten = 0;
  const forget = async (those: readonly NotedLetter[]) => {
    if (those.length === 0) return;
    await deps.table.forgetLetters(source, those);
    forgotten += those.length;
    tell(forgotten);
  };

  for await (const { letter, message } of lookThrough(deps, ofSource)) {
    if (!letter) continue;
    gone.delete(nameOfRun(letter));
    const { sequenceNumber, enqueuedAt } = message;
    if (message.state === "deferred") deferred.push({ letter, place: { sequenceNumber, enqueuedAt } });
    else active.set(nameOfRun(letter), letter);
  }
  await forget([...gone.values()]);
  if (onlyGone) return { removed: 0, gone: gone.size, left: 0 };
  for (let from = 0; from < deferred.length; from += BATCH) {
    const batch = deferred.slice(from, from + BATCH);
    const before = removed.length;
    const same = await notRedriven(
      deps,
      source,
      batch.map(({ letter }) => letter),
    );
    await pLimit(CONCURRENCY).map(batch, async ({ letter, place }) => {
      if (!same.has(nameOfRun(letter))) return;
      if ((await deps.broker.completeDeferred({ ...place, source: entity })) === "done") removed.push(letter);
    });
    await forget(removed.slice(before));
  }

  const held: string[] = [];
  let since: Reading | undefined;
  const take = async (one: ReceivedLetter, sent: Reading, same: ReadonlySet<string>): Promise<void> => {
    const run = nameOnLetter(source, one);
    const letter = active.get(run);
    if (letter && !same.has(run)) active.delete(run);
    if (letter === undefined || !same.has(run)) {
      since ??= sent;
      held.push(one.lockToken);
      return;
    }
    active.delete(run);
    if (await unlessLost(deps.broker.completeLocked(entity, one.lockToken))) removed.push(letter);
    else active.set(run, letter);
  };
  const isInTime = () => since === undefined || isFresh(since, deps.clock, deps.lockDurationMs / 2);
  try {
    while (active.size > 0 && held.length <= MOST_IN_FRONT && isInTime()) {
      // Locks last from then on, however long the answer takes.
      const sent = deps.clock.read();
      const received = await deps.broker.receiveLetters(entity, BATCH);
      if (received.length === 0) break;
      const before = removed.length;
      const chosen = received.flatMap((one) => active.get(nameOnLetter(source, one)) ?? []);
      // As long as their locks last, nobody else can set them aside.
      const same = await notRedriven(deps, source, chosen);
      await pLimit(CONCURRENCY).map(received, (one) => take(one, sent, same));
      await forget(removed.slice(before));
    }
  } finally {
    await pLimit(CONCURRENCY).map(held, (token) => unlessLost(deps.broker.giveBack(entity, token)));
  }
  return { removed: removed.length, gone: gone.size, left: letters.size - removed.length - gone.size };
}

/** Gives the names of those letters that were not redriven since they were noted. */
async function notRedriven(
  { table }: Dependencies,
  source: Source,
  letters: readonly NotedLetter[],
): Promise<ReadonlySet<string>> {
  const runs = await table.letterRuns(source, letters);
  const isSame = (letter: NotedLetter) => {
    const last = runs.get(nameOfRun(letter));
    return last === undefined || (last.kind === "closed" && (last.run.redrive ?? 0) === (letter.redrive ?? 0));
  };
  return new Set(letters.filter(isSame).map(nameOfRun));
}

/** Resolves to whether the lock was still there. */
async function unlessLost(settled: Promise<void>): Promise<boolean> {
  try {
    await settled;
    return true;
  } catch (error) {
    if (!(error instanceof LockLostError)) throw error;
    return false;
  }
}
