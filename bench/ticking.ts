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
    await new Promise<void>((resolve, reject) => {
      const last = () => JSON.stringify(this.ticks.at(-1) ?? "none");
      const timer = setTimeout(
        () => reject(new Error(`the expected tick did not come; the last of ${this.ticks.length} was ${last()}`)),
        PATIENCE_MS,
      );
      this.#onTicked = () => {
        if (this.ticks.length < count) return;
        clearTimeout(timer);
        this.#onTicked = () => {};
        resolve();
      };
      this.#onTicked();
    });
  }

  /** Resolves to the next tick. Rejects if there is none within two minutes. */
  async next(): Promise<Tick> {
    const since = this.ticks.length;
    await this.until(since + 1);
    const next = this.ticks[since];
    if (!next) throw new Error("no such tick");
    return next;
  }
}
