import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import type { LetterRun } from "../ports/run-table.ts";
import { keyNamed, keyOnLetter, type NotedLetter, nameOfRun, nameOnLetter, notedLetter } from "../run/dead-letter.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import { ownerOf } from "../run/stamp.ts";
import type { Events } from "../telemetry/events.ts";
import { isFirst } from "./sweep.ts";

/** Dead letters peeked at in one request. */
const PAGE = 50;
/** Requests a look. The bus counts each message that it peeks at, and there may be many thousands. */
const PAGES_A_LOOK = 4;
/** Dead letters whose rows are compared at a time. */
const ROWS = 500;

/** Dead letters that are looked at and noted again with one call, at most. */
const NOTED_A_CALL = 200;

const EVERY_MS = 86_400_000;

/** How far the look through one source's dead letter queue has come. */
interface Walk {
  /** Runs that closed before this may be purged. */
  readonly closedBefore: number;
  /** The sequence number to go on from. Undefined once the whole queue was seen. */
  next: number | undefined;
  /** The last note that was compared with the queue. */
  compared: NotedLetter | undefined;
  /** Whether all notes were compared. */
  isCompared: boolean;
  /** The names of the runs whose letters are on the bus. There may be hundreds of thousands, so no more is held of each. */
  readonly onBus: Set<string>;
  /**
   * Those of them whose letters have the stamp of this instance, with the letters' own sequence numbers. What a row notes
   * is taken out as the notes are compared, and the others are taken out as they are noted again.
   */
  readonly ours: Map<string, number>;
}

/**
 * Makes what compares the notes of dead letters with the dead letter queue. That takes a look through the whole queue
 * once a day, a few pages with each call.
 *
 * - It purges the runs that the history's purge leaves alone, because their messages were dead-lettered. People want to
 *   find a dead letter as long as it is on the bus, so such a run goes once it is older than the history and its letter
 *   is gone. A letter is known by the run that was stamped on it, or by its own number if the stamp had no room. Its
 *   absence is believed at once: what goes are notes for people, and the message itself was settled long ago.
 * - It notes a letter again that this instance has dead-lettered and that no row notes, because a person or another
 *   program deleted the row.
 */
export function makeCompareLetters(deps: Dependencies) {
  // How far each source's look has come. It is a hint, not state: a replica that forgets it begins anew.
  const walks = new Map<string, Walk>();
  /** When each source's last look was through. */
  const through = new Map<string, Reading>();

  /** Takes the look through one source further. The next call goes on from there. */
  return async function compareLetters(source: Source, events: Events, isOver: () => boolean): Promise<void> {
    const place = sourceKey(source);
    const last = through.get(place);
    if (last && isFresh(last, deps.clock, EVERY_MS)) return;
    const now = deps.clock.read();
    if (await goOn(source, events, isOver)) through.set(place, now);
  };

  /** Resolves to whether the look is through. */
  async function goOn(source: Source, events: Events, isOver: () => boolean): Promise<boolean> {
    const place = sourceKey(source);
    const walk = walks.get(place) ?? begin();
    if (walk.next === 0 && (await deps.table.deadLetters(source, {}, 1)).length === 0) return true;
    walks.set(place, walk);
    const isThrough =
      (await seeQueue(source, walk)) &&
      (await purgeGone(source, walk, isOver)) &&
      (await noteLost(source, walk, events, isOver));
    if (isThrough) walks.delete(place);
    return isThrough;
  }

  function begin(): Walk {
    const closedBefore = deps.clock.now() - deps.historyRetentionMs;
    return { closedBefore, next: 0, compared: undefined, isCompared: false, onBus: new Set(), ours: new Map() };
  }

  /** Sees which letters are on the bus. Resolves to whether it has seen all of them. */
  async function seeQueue(source: Source, walk: Walk): Promise<boolean> {
    const owner = await deps.instanceTable.owner();
    for (let pages = 0; walk.next !== undefined; pages += 1) {
      if (pages === PAGES_A_LOOK) return false;
      const page = await deps.broker.browse({ deadLettersOf: source }, walk.next, PAGE);
      for (const message of page) {
        // A sender may have set the name of a run. What the service dead-letters itself keeps that, so that the run may
        // be the one of the letter's own number. Nearly all letters have one name, and a set holds it once.
        const name = nameOfRun(keyOnLetter(source, message, owner));
        walk.onBus.add(name).add(nameOnLetter(source, message));
        if (ownerOf(message) === owner) walk.ours.set(name, message.sequenceNumber);
      }
      const last = page.at(-1);
      walk.next = last && page.length === PAGE ? last.sequenceNumber + 1 : undefined;
    }
    return true;
  }

  /**
   * Purges the runs whose letters the look has not seen, and leaves in `ours` only what no row notes. Resolves to whether
   * it has come through.
   */
  async function purgeGone(source: Source, walk: Walk, isOver: () => boolean): Promise<boolean> {
    while (!walk.isCompared) {
      const page = await deps.table.deadLetters(source, {}, ROWS, walk.compared);
      for (const letter of page) walk.ours.delete(nameOfRun(letter));
      const isGone = (letter: NotedLetter) => letter.closedAt < walk.closedBefore && !walk.onBus.has(nameOfRun(letter));
      const gone = page.filter(isGone);
      if (gone.length > 0) await deps.table.purgeLetters(source, gone);
      walk.compared = page.at(-1);
      walk.isCompared = page.length < ROWS;
      if (isOver()) return false;
    }
    return true;
  }

  /** Notes what is left in `ours` again, some at a time. Resolves to whether it has come through. */
  async function noteLost(source: Source, walk: Walk, events: Events, isOver: () => boolean): Promise<boolean> {
    const some = [...walk.ours].slice(0, NOTED_A_CALL);
    const keys = some.flatMap(([name]) => keyNamed(source, name) ?? []);
    const runs = await deps.table.letterRuns(source, keys);
    let noted = 0;
    for (const [name, number] of some) {
      if (await noteAgain(source, name, number, runs.get(name))) noted += 1;
      walk.ours.delete(name);
      if (isOver()) break;
    }
    if (noted > 0)
      events.log.warn("noted dead letters again whose rows were lost", { source: sourceName(source), letters: noted });
    return walk.ours.size === 0;
  }

  /**
   * Notes a letter again, and resolves to whether it did. One that is being redriven has a run that is open, and one that
   * was withdrawn no end.
   */
  async function noteAgain(source: Source, name: string, number: number, run: LetterRun | undefined): Promise<boolean> {
    const letter = run?.kind === "closed" ? notedLetter(run.run) : undefined;
    if (run?.kind !== "closed" || letter === undefined) return false;
    // A person may have taken it off the bus since the look came by.
    const lying = await deps.broker.peek({ deadLettersOf: source }, number);
    const owner = await deps.instanceTable.owner();
    if (lying === undefined || nameOfRun(keyOnLetter(source, lying, owner)) !== name) return false;
    return await isFirst(deps.table.noteLetter(run, letter));
  }
}
