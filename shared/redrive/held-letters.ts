import pLimit from "p-limit";
import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { UnavailableError } from "../errors.ts";
import type { DeadLetterQueue } from "../ports/message-broker.ts";
import type { Source } from "../run/source.ts";

type Bus = Pick<Dependencies, "broker" | "clock" | "lockDurationMs">;

/** Letters that are given back at once. */
const CONCURRENCY = 32;

/**
 * What a process holds of the letters of one source, because others lie behind them that are wanted, and the bus hands
 * them out in order alone. If the process dies, the locks lapse.
 */
export class HeldLetters {
  readonly #deps: Bus;
  readonly #from: DeadLetterQueue;
  readonly #tokens: string[] = [];
  /** Whether the locks of those before them lapsed, and no letter was redriven. */
  readonly isSecondTry: boolean;
  /** When the first of them was received, at the latest. */
  #since: Reading | undefined;
  /** Whether a letter was redriven since then, or the last wanted ones are held by another process. */
  isOfUse = false;
  /** The numbers of the wanted ones among them: they could not be claimed. */
  readonly unclaimed = new Set<number>();
  /** How far the look came that tells whether a wanted letter is left, if one is under way. */
  lookedTo = 0;
  /** How many active letters that look has passed. */
  inFront = 0;
  /** No letter with a lower number is wanted. Undefined as long as nothing has looked. */
  front: number | undefined;

  constructor(deps: Bus, source: Source, isSecondTry = false) {
    this.#deps = deps;
    this.#from = { deadLettersOf: source };
    this.isSecondTry = isSecondTry;
  }

  get count(): number {
    return this.#tokens.length;
  }

  /** Notes that letters were received that were asked for then. Their locks last from then on, at the least. */
  receivedAt(asked: Reading): void {
    this.#since ??= asked;
  }

  hold(...tokens: readonly string[]): void {
    this.#tokens.push(...tokens);
  }

  /** Whether the locks of what is held last long enough to go on. */
  mayHoldOn(): boolean {
    const { clock, lockDurationMs } = this.#deps;
    return this.#since === undefined || isFresh(this.#since, clock, lockDurationMs / 2);
  }

  /** Gives back all that is held. */
  async giveAllBack(): Promise<void> {
    await this.giveBack(this.#tokens);
  }

  /**
   * Gives these letters back, until the bus is away. The service gives back the others, and whatever fails, when their
   * locks are over.
   */
  async giveBack(tokens: readonly string[]): Promise<void> {
    let isAway = false;
    await pLimit(CONCURRENCY).map([...tokens], async (token) => {
      if (isAway) return;
      try {
        await this.#deps.broker.giveBack(this.#from, token);
      } catch (error) {
        if (error instanceof UnavailableError) isAway = true;
      }
    });
  }
}
