import { isDeepStrictEqual } from "node:util";
import pLimit from "p-limit";
import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { StoredRedrive } from "../ports/instance-table.ts";
import type { ReceivedLetter } from "../ports/message-broker.ts";
import { ended, isAtWork, type LetterHindrance, type Redrive } from "../run/redrive.ts";
import { type RunKey, runId } from "../run/run.ts";
import { sourceKey, sourceName } from "../run/source.ts";
import type { Events } from "../telemetry/events.ts";
import { claimDeferred, claimReceived, RefusedError } from "./claim-letter.ts";
import { HeldLetters } from "./held-letters.ts";
import { isHalfClaimed, isWanted, type SeenLetter, seeLetters } from "./letters.ts";
import { BATCH, hasAll, nextBatch, Pace } from "./pace.ts";

/** The bus hands out letters in order alone, so that so many others are held at most to reach one. */
export const MOST_IN_FRONT = 10_000;
/**
 * Letters that are received in one request while none of them is wanted, at most. So few requests reach what lies behind
 * them, because the locks of all of them last from the first one on.
 */
const BATCH_IN_FRONT = 1_000;
/** Letters that are peeked at in one request. */
const PAGE = 250;
/** Claims under way at once. */
const CONCURRENCY = 32;
/**
 * A letter is claimed only within this share of a lock duration, so that it is surely deferred before its lock is over.
 */
const CLAIM_SHARE = 0.75;
/** Every letter lies in front of this number. */
const NONE_LEFT = Number.POSITIVE_INFINITY;
/** How often the row of a redrive says how far it came, at most. */
const SAVE_EVERY_MS = 2_000;

/**
 * Carries out the redrives that persons ordered, until all are over or `signal` aborts, and a batch of each at least.
 * Never rejects.
 */
export type CarryOutRedrives = (events: Events, signal: AbortSignal) => Promise<void>;

/**
 * Makes what carries out redrives. One replica does so, the one that ticks, and the next goes on where it was: a letter is
 * claimed by its row, and `cursor` only spares work. Letters that are deferred are claimed by their number, the lowest
 * first. The others come in order: what is not wanted is held until the wanted ones are reached, also from one tick to the
 * next, and given back then. That ends after half a lock duration, because locks that lapse would bring the same letters
 * again, and then it begins anew in front. If they lapse a second time before a letter was redriven, the redrive ends: the
 * first time, the process may have stood still.
 */
export function makeCarryOutRedrives(deps: Dependencies): CarryOutRedrives {
  // What this process holds of each source.
  const holds = new Map<string, HeldLetters>();

  return async function carryOutRedrives(events, signal) {
    try {
      const stored = (await deps.instanceTable.redrives()).filter(({ redrive }) => isAtWork(redrive));
      await letGo(stored);
      await Promise.all(stored.map((one) => carryOut(one, events, signal)));
    } catch (error) {
      events.tell({ event: "failed", what: "left the redrives to the next tick", error });
    }
  };

  /** Gives back what is held for redrives that a person, or another replica, has ended. */
  async function letGo(atWork: readonly StoredRedrive[]): Promise<void> {
    const places = new Set(atWork.map(({ redrive }) => sourceKey(redrive.source)));
    for (const [place, held] of holds) {
      if (places.has(place)) continue;
      holds.delete(place);
      await held.giveAllBack();
    }
  }

  async function carryOut(stored: StoredRedrive, events: Events, signal: AbortSignal): Promise<void> {
    const { source } = stored.redrive;
    const place = sourceKey(source);
    const held = holds.get(place) ?? new HeldLetters(deps, source);
    holds.set(place, held);
    const pass = new Pass(deps, stored, held, events, signal);
    try {
      if (!stored.redrive.isThrough) await pass.takeDeferred();
      if (pass.redrive.isThrough) await pass.takeInOrder();
      await pass.save();
    } catch (error) {
      // What was redriven is counted all the same, unless a person ended it, or another replica carries it on.
      if (!(error instanceof ConflictError)) {
        const fields = { source: sourceName(source) };
        events.tell({ event: "failed", what: "left a redrive to the next tick", error, fields });
        await pass.save().catch(() => undefined);
      }
    } finally {
      if (!isAtWork(pass.redrive)) holds.delete(place);
      else if (!held.mayHoldOn()) holds.set(place, new HeldLetters(deps, source, !held.isOfUse));
      if (holds.get(place) !== held) await held.giveAllBack();
    }
  }
}

/** One turn of a replica at the redrive of a source. */
class Pass {
  readonly #deps: Dependencies;
  readonly #events: Events;
  readonly #signal: AbortSignal;
  readonly #held: HeldLetters;
  readonly #pace: Pace;
  #stored: StoredRedrive;
  #savedAt: Reading;
  redrive: Redrive;

  constructor(deps: Dependencies, stored: StoredRedrive, held: HeldLetters, events: Events, signal: AbortSignal) {
    this.#deps = deps;
    this.#stored = stored;
    this.#held = held;
    this.#events = events;
    this.#signal = signal;
    this.#pace = new Pace(deps.clock);
    this.#savedAt = deps.clock.read();
    this.redrive = stored.redrive;
  }

  /** Claims the wanted letters that are deferred, page by page from the cursor on. */
  async takeDeferred(): Promise<void> {
    const { source } = this.redrive;
    do {
      const page = await this.#deps.broker.browse({ deadLettersOf: source }, this.redrive.cursor, PAGE);
      const seen = await seeLetters(this.#deps, source, page);
      const wanted = seen.filter((one) => one.letter.state === "deferred" && this.#isFree(one));
      const left = await this.#claimInTurn(wanted, {
        claim: (one) => claimDeferred(this.#deps, one),
        onBatch: (last) => this.#cameTo(last.letter.sequenceNumber, seen),
        isInTime: () => true,
      });
      if (left.length > 0) return;
      const last = page.at(-1);
      if (last) this.#cameTo(last.sequenceNumber, seen);
      if (page.length < PAGE) {
        this.redrive = { ...this.redrive, isThrough: true };
        return;
      }
      await this.#saveIfDue();
    } while (!this.#isOver());
  }

  /** Receives letters in order, claims the wanted ones, and holds the others. */
  async takeInOrder(): Promise<void> {
    const from = { deadLettersOf: this.redrive.source };
    const held = this.#held;
    try {
      held.front ??= await this.#firstLeft();
      const { front } = held;
      if (front === undefined) return;
      if (front === NONE_LEFT) return this.#end("done");
      if (held.inFront > MOST_IN_FRONT) return this.#end("stopped", TOO_DEEP);
      do {
        await this.#awaitTurn();
        if (!isAtWork(this.redrive)) return;
        // Locks last from then on, however long the answer takes.
        const sent = this.#deps.clock.read();
        const received = await this.#deps.broker.receiveLetters(from, this.#nextReceive());
        if (received.length === 0) {
          const left = await this.#firstLeft();
          if (left === NONE_LEFT) return this.#end("done");
          if (left === undefined || !held.unclaimed.has(left)) held.isOfUse = true;
          break;
        }
        held.receivedAt(sent);
        const isInFront = ({ sequenceNumber }: ReceivedLetter) => sequenceNumber < front;
        held.hold(...received.filter(isInFront).map(({ lockToken }) => lockToken));
        const behind = received.filter((letter) => !isInFront(letter));
        const seen = await seeLetters(this.#deps, this.redrive.source, behind);
        const wanted = seen.filter((one) => isHalfClaimed(one) || this.#isFree(one));
        const others = seen.filter((one) => !wanted.includes(one));
        held.hold(...others.map(({ letter }) => letter.lockToken));
        const left = await this.#claimInTurn(wanted, {
          claim: (one) => claimReceived(this.#deps, one, this.#events),
          // The locks of these began now, whenever those of the others that are held did.
          isInTime: () => isFresh(sent, this.#deps.clock, CLAIM_SHARE * this.#deps.lockDurationMs),
        });
        // The next tick begins with them.
        await held.giveBack(left.map(({ letter }) => letter.lockToken));
        if (held.count > MOST_IN_FRONT) return this.#end("stopped", TOO_DEEP);
        await this.#saveIfDue();
      } while (!this.#isOver() && held.mayHoldOn());
      if (held.mayHoldOn() || held.isOfUse) return;
      if (held.unclaimed.size > 0) this.#end("stopped", UNCLAIMED);
      else if (held.isSecondTry) this.#end("stopped", TOO_SLOW);
    } catch (error) {
      // A bus that is away makes no letter lie too deep.
      held.isOfUse = true;
      if (!(error instanceof RefusedError)) throw error;
      this.#end("stopped", `the service refuses to defer letters in this dead letter queue: ${error.message}`);
    }
  }

  /** How many letters to receive next: those that are known to lie in front come in large steps. */
  #nextReceive(): number {
    return Math.max(BATCH, Math.min(this.#held.inFront - this.#held.count, BATCH_IN_FRONT));
  }

  /**
   * Looks for the first letter that is to be redriven, or that a tick withdraws, though another process may hold it just
   * now. Resolves to its number, and to NONE_LEFT if there is none. To undefined if there was no time for all of the look:
   * it goes on in the next tick, and takes a page at least in each. No lock lasts meanwhile, so that what lies in front is
   * looked at before it is received, and not while it is held.
   */
  async #firstLeft(): Promise<number | undefined> {
    const { source } = this.redrive;
    const held = this.#held;
    do {
      const page = await this.#deps.broker.browse({ deadLettersOf: source }, held.lookedTo, PAGE);
      const active = page.filter(({ state }) => state === "active");
      const seen = await seeLetters(this.#deps, source, active);
      const last = page.at(-1);
      const first = seen.find((one) => isHalfClaimed(one) || this.#isFree(one));
      const isThrough = !last || page.length < PAGE;
      const passed = first ? seen.indexOf(first) : seen.length;
      if (held.lookedTo === 0) held.inFront = 0;
      held.inFront += passed;
      held.lookedTo = first || isThrough ? 0 : last.sequenceNumber + 1;
      if (first) return first.letter.sequenceNumber;
      if (isThrough) return NONE_LEFT;
    } while (!this.#signal.aborted);
    return undefined;
  }

  /** Writes how far it came. Rejects with a ConflictError if a person ended it meanwhile. */
  async save(): Promise<void> {
    if (isDeepStrictEqual(this.redrive, this.#stored.redrive)) return;
    this.#savedAt = this.#deps.clock.read();
    this.#stored = await this.#deps.instanceTable.saveRedrive(this.redrive, this.#stored.etag);
    this.redrive = this.#stored.redrive;
  }

  async #saveIfDue(): Promise<void> {
    if (!isFresh(this.#savedAt, this.#deps.clock, SAVE_EVERY_MS)) await this.save();
  }

  #isOver(): boolean {
    return this.#signal.aborted || !isAtWork(this.redrive);
  }

  /** Waits until another batch may be claimed, or ends the redrive because it has had all that it may. */
  async #awaitTurn(): Promise<void> {
    if (hasAll(this.redrive)) this.#end("done");
    else await this.#pace.awaitTurn(this.redrive, this.#signal);
  }

  #isFree(seen: SeenLetter): boolean {
    return seen.hindrance === undefined && isWanted(seen, this.redrive);
  }

  /**
   * Claims letters batch by batch, as fast as it may, and one batch at least if it is in time. `onBatch` is told the
   * last one of each. Gives those that there was no time for, or that are too many.
   */
  async #claimInTurn<Letter extends SeenLetter>(
    letters: readonly Letter[],
    {
      claim,
      onBatch = () => {},
      isInTime,
    }: {
      readonly claim: (letter: Letter) => Promise<RunKey | undefined>;
      readonly onBatch?: (last: Letter) => void;
      readonly isInTime: () => boolean;
    },
  ): Promise<readonly Letter[]> {
    let rest = letters;
    while (rest.length > 0 && isInTime()) {
      await this.#awaitTurn();
      // A tick that takes all the time there is must not keep a redrive from ever going on.
      if (!isAtWork(this.redrive) || (rest !== letters && this.#signal.aborted)) break;
      const batch = rest.slice(0, nextBatch(this.redrive));
      rest = rest.slice(batch.length);
      await this.#claim(batch, claim);
      const last = batch.at(-1);
      if (last) onBatch(last);
    }
    return rest;
  }

  /** Claims letters at once. What is not claimed, and was received, is held. Rejects with the first error. */
  async #claim<Letter extends SeenLetter>(
    letters: readonly Letter[],
    claim: (letter: Letter) => Promise<RunKey | undefined>,
  ): Promise<void> {
    const errors: unknown[] = [];
    const claimed: RunKey[] = [];
    await pLimit(CONCURRENCY).map(letters, async (one) => {
      try {
        const run = await claim(one);
        if (run) {
          claimed.push(run);
          return;
        }
      } catch (error) {
        errors.push(error);
      }
      if (!isReceived(one.letter)) return;
      this.#held.hold(one.letter.lockToken);
      this.#held.unclaimed.add(one.letter.sequenceNumber);
    });
    this.#pace.note(claimed.length);
    const last = claimed.at(-1);
    if (last) {
      this.#held.isOfUse = true;
      this.redrive = { ...this.redrive, redriven: this.redrive.redriven + claimed.length, lastRun: runId(last) };
    }
    if (errors.length > 0) throw errors[0];
  }

  /**
   * Notes that all letters up to this number were tried, and counts those of them that were wanted and can't be
   * redriven.
   */
  #cameTo(sequenceNumber: number, letters: readonly SeenLetter[]): void {
    const { cursor } = this.redrive;
    const left: Partial<Record<LetterHindrance, number>> = { ...this.redrive.left };
    for (const seen of letters) {
      const isPassed = seen.letter.sequenceNumber >= cursor && seen.letter.sequenceNumber <= sequenceNumber;
      if (isPassed && seen.hindrance !== undefined && isWanted(seen, this.redrive))
        left[seen.hindrance] = (left[seen.hindrance] ?? 0) + 1;
    }
    this.redrive = { ...this.redrive, left, cursor: sequenceNumber + 1 };
  }

  #end(end: "done" | "stopped", problem?: string): void {
    this.redrive = ended(this.redrive, end, this.#deps.clock.now(), problem);
    const { source, redriven, left } = this.redrive;
    const fields = { source: sourceName(source), redriven, left: JSON.stringify(left), problem };
    if (end === "done") this.#events.log.info("redrove the dead letters that were wanted", fields);
    else this.#events.log.warn("stopped redriving dead letters", fields);
  }
}

const TOO_DEEP = `more than ${MOST_IN_FRONT.toLocaleString("en")} other letters lie in front of the rest, and the bus hands them out in order alone: redrive or purge those first`;
const UNCLAIMED =
  "wanted letters were received and could not be claimed, because their rows changed or their locks were lost meanwhile: order the redrive once more";
const TOO_SLOW = "twice, the letters in front of the wanted ones could not be received within half a lock duration";

function isReceived(letter: SeenLetter["letter"] | ReceivedLetter): letter is ReceivedLetter {
  return "lockToken" in letter;
}
