import { z } from "zod";

/** The app's default schedule. */
export const USUAL_TICKS = "*/10 * * * * *";

/** A schedule that has no tick during a bench, so that no request of a tick is counted. */
export const NO_TICKS = "0 0 0 1 1 *";

const PATIENCE_MS = 120_000;

const line = z
  .object({
    ms: z.number(),
    open: z.number(),
    jobs: z.number().optional(),
    working: z.number().optional(),
  })
  .transform(({ ms, open, jobs, working }) => ({ ms, open, atWork: jobs ?? working }));

/** What a tick said of itself: its time, how many runs are open and how many Jobs are at work. */
export type Tick = z.output<typeof line>;

/** Reads the line that a program writes at the end of each tick. The app and the bare calls write different lines. */
export class Ticking {
  readonly ticks: Tick[] = [];
  readonly #onTick: () => void;
  #onTicked: () => void = () => {};

  constructor(onTick: () => void = () => {}) {
    this.#onTick = onTick;
  }

  /** Takes one line of the program. */
  readonly take = (text: string): void => {
    const json = /\{.*"ms":.*\}$/.exec(text)?.[0];
    if (json === undefined || text.includes('"handled a delivery"')) return;
    const parsed = line.safeParse(JSON.parse(json));
    if (!parsed.success) return;
    this.ticks.push(parsed.data);
    this.#onTick();
    this.#onTicked();
  };

  /** Resolves when so many ticks have ended. Rejects if that takes two minutes. */
  async until(count: number): Promise<void> {
    await this.#ticked(PATIENCE_MS, () => this.ticks.length >= count);
  }

  /** Resolves to the next tick for which `isIt` holds. Rejects if there is no such tick within `patienceMs`. */
  async next(isIt: (tick: Tick) => boolean = () => true, patienceMs = PATIENCE_MS): Promise<Tick> {
    const since = this.ticks.length;
    let found: Tick | undefined;
    await this.#ticked(patienceMs, () => {
      found = this.ticks.slice(since).find(isIt);
      return found !== undefined;
    });
    if (!found) throw new Error("no such tick");
    return found;
  }

  async #ticked(patienceMs: number, isEnough: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const last = () => JSON.stringify(this.ticks.at(-1) ?? "none");
      const timer = setTimeout(
        () => reject(new Error(`the expected tick did not come; the last of ${this.ticks.length} was ${last()}`)),
        patienceMs,
      );
      this.#onTicked = () => {
        if (!isEnough()) return;
        clearTimeout(timer);
        this.#onTicked = () => {};
        resolve();
      };
      this.#onTicked();
    });
  }
}
