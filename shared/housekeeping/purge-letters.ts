import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { nameOfRun, nameOnLetter } from "../run/dead-letter.ts";
import { type Source, sourceKey } from "../run/source.ts";

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
}

/**
 * Makes what purges the runs that the history's purge leaves alone, because their messages were dead-lettered. People
 * want to find a dead letter as long as it is on the bus, so such a run goes once it is older than the history and its
 * letter is gone. That takes a look through the whole dead letter queue once a day, a few pages with each call.
 *
 * A letter is known by the run that was stamped on it, or by its own number if the stamp had no room. Its absence is
 * believed at once: what goes are notes for people, and the message itself was settled long ago.
 */
export function makePurgeLetters(deps: Dependencies) {
  // How far each source's look has come. It is a hint, not state: a replica that forgets it begins anew.
  const walks = new Map<string, Walk>();
  /** When each source's last look was through. */
  const through = new Map<string, Reading>();

  /** Takes the look through one source a few pages further. */
  return async function purgeLetters(source: Source): Promise<void> {
    const place = sourceKey(source);
    const last = through.get(place);
    if (last && isFresh(last, deps.clock, EVERY_MS)) return;
    const now = deps.clock.read();
    if (await goOn(source)) through.set(place, now);
  };

  /** Resolves to whether the look is through. */
  async function goOn(source: Source): Promise<boolean> {
    const place = sourceKey(source);
    const walk = walks.get(place) ?? begin();
    const { closedBefore } = walk;
    if (walk.next === 0 && (await deps.table.deadLetters(source, { closedBefore }, 1)).length === 0) return true;
    walks.set(place, walk);
    for (let pages = 0; pages < PAGES_A_LOOK; pages += 1) {
      const page = await deps.broker.browse({ deadLettersOf: source }, walk.next, PAGE);
      for (const message of page) walk.onBus.add(nameOnLetter(source, message));
      const last = page.at(-1);
      if (last && page.length === PAGE) {
        walk.next = last.sequenceNumber + 1;
        continue;
      }
      await purgeThose(source, walk);
      walks.delete(place);
      return true;
    }
    return false;
  }

  function begin(): Walk {
    return { closedBefore: deps.clock.now() - deps.historyRetentionMs, next: 0, onBus: new Set() };
  }

  /** Purges the runs whose letters the look has not seen. */
  async function purgeThose(source: Source, { closedBefore, onBus }: Walk): Promise<void> {
    for (let page = await deps.table.deadLetters(source, { closedBefore }, ROWS); page.length > 0; ) {
      const gone = page.filter((letter) => !onBus.has(nameOfRun(letter)));
      await deps.table.purgeLetters(source, gone);
      page = await deps.table.deadLetters(source, { closedBefore }, ROWS, page.at(-1));
    }
  }
}
