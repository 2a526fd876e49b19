import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ownerOf } from "../observe/orphan-messages.ts";
import { keyOnLetter, nameOfRun, nameOnLetter, notedLetter } from "../run/dead-letter.ts";
import type { RunKey } from "../run/run.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import type { Events } from "../telemetry/events.ts";
import { isFirst } from "./sweep.ts";

/** Dead letters peeked at in one request. */
const PAGE = 50;
/** Requests a look. The bus counts each message that it peeks at, and there may be many thousands. */
const PAGES_A_LOOK = 4;
/** Dead letters whose rows are compared at a time. */
const ROWS = 500;

const EVERY_MS = 86_400_000;

/** How far the look through one source's dead letter queue has come. */
interface Walk {
  /** Runs that closed before this may be purged. */
  readonly closedBefore: number;
  /** The sequence number to go on from. */
  next: number;
  /** The runs whose letters are on the bus. */
  readonly onBus: Set<string>;
  /** Those of them whose letters have the stamp of this instance, by their names. */
  readonly ours: Map<string, Ours>;
}

/** A run whose letter has the stamp of this instance, and the letter's own sequence number. */
interface Ours {
  readonly key: RunKey;
  readonly number: number;
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

  /** Takes the look through one source a few pages further. */
  return async function compareLetters(source: Source, events: Events): Promise<void> {
    const place = sourceKey(source);
    const last = through.get(place);
    if (last && isFresh(last, deps.clock, EVERY_MS)) return;
    const now = deps.clock.read();
    if (await goOn(source, events)) through.set(place, now);
  };

  /** Resolves to whether the look is through. */
  async function goOn(source: Source, events: Events): Promise<boolean> {
    const place = sourceKey(source);
    const walk = walks.get(place) ?? begin();
    if (walk.next === 0 && (await deps.table.deadLetters(source, {}, 1)).length === 0) return true;
    walks.set(place, walk);
    const owner = await deps.instanceTable.owner();
    for (let pages = 0; pages < PAGES_A_LOOK; pages += 1) {
      const page = await deps.broker.browse({ deadLettersOf: source }, walk.next, PAGE);
      for (const message of page) {
        walk.onBus.add(nameOnLetter(source, message));
        if (ownerOf(message) !== owner) continue;
        // A sender may have set the name of a run. What the service dead-letters itself keeps that.
        const key = keyOnLetter(source, message, owner);
        walk.onBus.add(nameOfRun(key));
        walk.ours.set(nameOfRun(key), { key, number: message.sequenceNumber });
      }
      const last = page.at(-1);
      if (last && page.length === PAGE) {
        walk.next = last.sequenceNumber + 1;
        continue;
      }
      await purgeGone(source, walk);
      await noteLost(source, walk, events);
      walks.delete(place);
      return true;
    }
    return false;
  }

  function begin(): Walk {
    const closedBefore = deps.clock.now() - deps.historyRetentionMs;
    return { closedBefore, next: 0, onBus: new Set(), ours: new Map() };
  }

  /** Purges the runs whose letters the look has not seen, and leaves in `ours` only what no row notes. */
  async function purgeGone(source: Source, { closedBefore, onBus, ours }: Walk): Promise<void> {
    for (let page = await deps.table.deadLetters(source, {}, ROWS); page.length > 0; ) {
      for (const letter of page) ours.delete(nameOfRun(letter));
      const gone = page.filter((letter) => letter.closedAt < closedBefore && !onBus.has(nameOfRun(letter)));
      if (gone.length > 0) await deps.table.purgeLetters(source, gone);
      page = await deps.table.deadLetters(source, {}, ROWS, page.at(-1));
    }
  }

  /** Notes these letters again. One that is being redriven has a run that is open, and one that was withdrawn no end. */
  async function noteLost(source: Source, { ours }: Walk, events: Events): Promise<void> {
    const owner = await deps.instanceTable.owner();
    const keys = [...ours.values()].map(({ key }) => key);
    let noted = 0;
    for (const [name, run] of await deps.table.letterRuns(source, keys)) {
      const letter = run.kind === "closed" ? notedLetter(run.run) : undefined;
      if (run.kind !== "closed" || letter === undefined) continue;
      // A person may have taken it off the bus since the look came by.
      const lying = await deps.broker.peek({ deadLettersOf: source }, ours.get(name)?.number ?? 0);
      if (lying === undefined || nameOfRun(keyOnLetter(source, lying, owner)) !== name) continue;
      if (await isFirst(deps.table.noteLetter(run, letter))) noted += 1;
    }
    if (noted > 0)
      events.log.warn("noted dead letters again whose rows were lost", { source: sourceName(source), letters: noted });
  }
}
