import type { Call, Conductor, NoAnswer, Victim } from "../faults/director.ts";
import type { Edge } from "../faults/edges.ts";

/** A process as far as a script can hurt it. */
export interface Actor extends Pick<Victim, "kill"> {
  freezeUntil(woken: Promise<unknown>): Promise<void>;
}

/** A call that waits for the script's word. */
interface Caught {
  /** Whose it is. */
  readonly slot: number;
  /** Lets it go on as if nothing had happened. */
  goOn(): void;
  /** Kills the process that makes it. */
  kill(): void;
}

interface Trap {
  readonly edge: Edge;
  readonly when: "before" | "after";
  readonly slot: number | undefined;
  readonly asleep: boolean;
  readonly spring: (caught: Caught) => void;
}

interface Lie {
  readonly edge: Edge;
  readonly slot: number | undefined;
  times: number;
  readonly answer: { readonly status: number } | { readonly old: unknown };
}

interface Whose {
  /** One Dispatcher's calls alone. */
  readonly slot?: number;
}

/** Decides what becomes of the Dispatchers' calls, one by one, as a story tells it: a proof in which nothing is left to chance. */
export class Script implements Conductor {
  readonly #actors: () => readonly Actor[];
  #traps: Trap[] = [];
  #lies: Lie[] = [];
  readonly #listeners = new Map<Edge, (answer: unknown) => void>();

  constructor(actors: () => readonly Actor[]) {
    this.#actors = actors;
  }

  /**
   * Stops the next such call, before it reaches its server or before its answer comes back, and with `asleep` the whole process. Resolves when
   * it is caught.
   */
  catch(edge: Edge, when: "before" | "after", { slot, asleep = false }: Whose & { readonly asleep?: boolean } = {}) {
    return new Promise<Caught>((resolve) => {
      this.#traps.push({ edge, when, slot, asleep, spring: resolve });
    });
  }

  /** Has the next calls answered with this status, and not carried out. */
  lie(edge: Edge, status: number, { slot, times = 1 }: Whose & { readonly times?: number } = {}): void {
    this.#lies.push({ edge, slot, times, answer: { status } });
  }

  /** Resolves to the next answer to such a call: one that `repeat` can give later, when it is out of date. */
  listen(edge: Edge): Promise<unknown> {
    return new Promise((resolve) => this.#listeners.set(edge, resolve));
  }

  /** Has the next calls answered with what the same call was told earlier, as a cache does that lags behind. */
  repeat(edge: Edge, old: unknown, times: number): void {
    this.#lies.push({ edge, slot: undefined, times, answer: { old } });
  }

  /** How many kinds of lies are still to be told. */
  get lies(): number {
    return this.#lies.filter(({ times }) => times > 0).length;
  }

  /** No more lies. */
  tellTruth(): void {
    this.#lies = [];
  }

  /** From here on everything is let through. */
  end(): void {
    this.tellTruth();
    this.#traps = [];
  }

  async conduct<Answer>(call: Call<Answer>): Promise<Answer | NoAnswer> {
    const lie = this.#lies.find((each) => concerns(each, call) && each.times > 0);
    if (lie) {
      lie.times -= 1;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It was the answer to the same call.
      return "status" in lie.answer ? call.refusal(lie.answer.status) : (lie.answer.old as Answer);
    }
    const before = this.#take(call, "before");
    if (before && (await this.#hold(before, call.slot)) === "cut") return "cut";
    const answer = await call.carryOut();
    for (const edge of call.edges) this.#listeners.get(edge)?.(answer);
    const after = call.worked(answer) ? this.#take(call, "after") : undefined;
    return after && (await this.#hold(after, call.slot)) === "cut" ? "cut" : answer;
  }

  #take(call: Call<unknown>, when: Trap["when"]): Trap | undefined {
    const trap = this.#traps.find((each) => each.when === when && concerns(each, call));
    this.#traps = this.#traps.filter((each) => each !== trap);
    return trap;
  }

  #hold({ asleep, spring }: Trap, slot: number): Promise<"go on" | "cut"> {
    const actor = this.#actors()[slot];
    const word = new Promise<"go on" | "cut">((resolve) => {
      spring({
        slot,
        goOn: () => resolve("go on"),
        kill: () => {
          actor?.kill();
          resolve("cut");
        },
      });
    });
    if (asleep) void actor?.freezeUntil(word);
    return word;
  }
}

function concerns({ edge, slot }: { readonly edge: Edge; readonly slot: number | undefined }, call: Call<unknown>) {
  return call.edges.includes(edge) && (slot === undefined || slot === call.slot);
}
