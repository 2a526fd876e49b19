import { setTimeout as sleep } from "node:timers/promises";
import { DEMANDED_EDGES, type Edge } from "./edges.ts";
import type { Blow, Deed, Fault, Plan } from "./plan.ts";

/** A Dispatcher, as far as it can be hurt. */
export interface Victim {
  readonly isUp: boolean;
  readonly generation: number;
  kill(): void;
  freeze(ms: number): Promise<void>;
}

/** One call on its way from a Dispatcher to a server. */
export interface Call<Answer> {
  /** Which Dispatcher makes it. */
  readonly slot: number;
  /** What the app does by it: more than one thing where it sends changes to rows together. None where nobody knows this call. */
  readonly edges: readonly Edge[];
  /** How the server itself would call it: of a call that nobody knows, this is said. */
  readonly asked: string;
  /** Asks the server. */
  carryOut(): Promise<Answer>;
  /** Has the answer lost on its way, where the call is one way and nobody answers it: the server does it, and what it sends is gone. */
  loseOnTheWay?(): void;
  /** What the server would say if it refused. */
  refusal(status: number): Answer;
  /** Whether the server did what it was asked for: only then there is an "after". */
  worked(answer: Answer): boolean;
}

/** What comes of a call instead of an answer: the connection breaks, or nothing ever comes. */
export type NoAnswer = "cut" | "silence";

/** Decides for each call what becomes of it. */
export interface Conductor {
  conduct<Answer>(call: Call<Answer>): Promise<Answer | NoAnswer>;
}

/** What was done so far: `counts.get("insert a run")?.get("kill before")`. */
export type Done = ReadonlyMap<Edge, ReadonlyMap<string, number>>;

interface Waiting {
  readonly faults: Fault[];
  passed: number;
}

/** Carries out a plan: decides for each call what becomes of it, and strikes at moments of its own. */
export class Director implements Conductor {
  readonly #victims: readonly Victim[];
  readonly #waiting = new Map<Edge, Waiting>();
  /** Begun, and not over: a process that sleeps may be killed before it wakes. */
  readonly #underWay = new Set<Fault>();
  readonly #done = new Map<Edge, Map<string, number>>();
  readonly #unknown = new Set<string>();
  readonly #planned: number;
  readonly #say: (line: string) => void;
  #blows: Blow[];
  #isOver = false;
  #lastAt = performance.now();
  #nudgedAt = performance.now();
  kills = 0;
  freezes = 0;

  constructor(plan: Plan, victims: readonly Victim[], say: (line: string) => void = () => {}) {
    this.#victims = victims;
    this.#say = say;
    this.#blows = [...plan.blows];
    for (const fault of plan.faults) {
      const waiting = this.#waiting.get(fault.edge) ?? { faults: [], passed: 0 };
      waiting.faults.push(fault);
      this.#waiting.set(fault.edge, waiting);
    }
    this.#planned = this.owed.length;
  }

  get done(): Done {
    return this.#done;
  }

  /** Calls that no edge names: nothing was done to them, and nobody knows what they are for. */
  get unknown(): string[] {
    return [...this.#unknown].toSorted();
  }

  /** The planned faults that have not happened yet. */
  get left(): Fault[] {
    return [...[...this.#waiting.values()].flatMap(({ faults }) => faults), ...this.#underWay];
  }

  /** Those of them that a proof is worthless without. */
  get owed(): Fault[] {
    return this.left.filter(
      (fault) => isDemanded(fault) && this.#done.get(fault.edge)?.has(deedName(fault.deed)) !== true,
    );
  }

  /** Of the faults that a proof is worthless without, the share that has happened. */
  get progress(): number {
    return this.#planned === 0 ? 1 : 1 - this.owed.length / this.#planned;
  }

  /** For so long nothing that was planned has come about. */
  get idleMs(): number {
    return performance.now() - this.#lastAt;
  }

  /** For so long nobody was nudged, and nothing that was planned has come about. */
  get quietMs(): number {
    return Math.min(this.idleMs, performance.now() - this.#nudgedAt);
  }

  /** From here on everything is let through. */
  end(): void {
    this.#isOver = true;
  }

  /** Takes a call where the plan wants it: to its server, or not. */
  async conduct<Answer>(call: Call<Answer>): Promise<Answer | NoAnswer> {
    if (call.edges.length === 0) this.#unknown.add(call.asked);
    const fault = this.#faultFor(call);
    if (fault === undefined) return call.carryOut();
    this.#underWay.add(fault);
    try {
      return await this.#bringAbout(fault, call);
    } finally {
      this.#underWay.delete(fault);
    }
  }

  async #bringAbout<Answer>(fault: Fault, call: Call<Answer>): Promise<Answer | NoAnswer> {
    const victim = this.#victims[call.slot];
    const generation = victim?.generation;
    this.#say(`${call.slot + 1}: ${deedName(fault.deed)}: ${fault.edge}`);
    const putBack = () => this.#waiting.get(fault.edge)?.faults.unshift(fault);
    const outcome = await this.#commit(fault.deed, call, victim).catch((error: unknown) => {
      // Its server was away.
      putBack();
      throw error;
    });
    if (outcome === "not now") {
      putBack();
      return call.carryOut();
    }
    if ("answer" in outcome && outcome.inVain === true) {
      putBack();
      return outcome.answer;
    }
    if (victim?.generation === generation || deedName(fault.deed).startsWith("kill")) this.#note(fault);
    // Somebody else killed it meanwhile: nobody went on after this.
    else putBack();
    return "answer" in outcome ? outcome.answer : outcome.none;
  }

  /** What is planned by now for so many messages on their way. Called again and again. */
  strike(sent: number): void {
    while (!this.#isOver) {
      const [blow] = this.#blows;
      if (blow === undefined || blow.sent > sent) return;
      const up = this.#victims.filter(({ isUp }) => isUp);
      const victim = up[blow.victim % Math.max(up.length, 1)];
      if (victim === undefined || up.length < 2) return;
      this.#blows.shift();
      this.#hit(victim, blow.deed);
    }
  }

  /** The planned blows that have not fallen yet. */
  get blowsLeft(): number {
    return this.#blows.length;
  }

  /** A kill that nobody planned: some calls are made only by a process that has just started. */
  nudge(): void {
    const victim = this.#victims.find(({ isUp }) => isUp);
    if (victim && this.#canSpare()) this.#hit(victim, { do: "kill" });
    this.#nudgedAt = performance.now();
  }

  /** Whether a process may go: one at least has to be left. */
  #canSpare(): boolean {
    return this.#victims.filter(({ isUp }) => isUp).length > 1;
  }

  #hit(victim: Victim, deed: Blow["deed"]): void {
    if (deed.do === "kill") {
      this.kills += 1;
      victim.kill();
    } else {
      this.freezes += 1;
      void victim.freeze(deed.ms);
    }
  }

  #faultFor({ slot, edges }: Call<unknown>): Fault | undefined {
    if (this.#isOver || this.#victims[slot]?.isUp !== true) return undefined;
    for (const edge of edges) {
      const fault = this.#faultOn(edge);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #faultOn(edge: Edge): Fault | undefined {
    const waiting = this.#waiting.get(edge);
    const [next] = waiting?.faults ?? [];
    if (waiting === undefined || next === undefined) return undefined;
    waiting.passed += 1;
    if (waiting.passed <= next.gap) return undefined;
    const at = waiting.faults.findIndex(({ deed }) => !takesDown(deed) || this.#canSpare());
    if (at < 0) return undefined;
    waiting.passed = 0;
    return waiting.faults.splice(at, 1)[0];
  }

  async #commit<Answer>(deed: Deed, call: Call<Answer>, victim: Victim | undefined): Promise<Outcome<Answer>> {
    if (victim === undefined) return "not now";
    switch (deed.do) {
      case "refuse":
        return { answer: call.refusal(deed.status) };
      case "cut":
        return { none: "cut" };
      case "ignore":
        return { none: "silence" };
      case "delay":
        await sleep(deed.ms);
        await call.carryOut().catch(() => {});
        return { none: "cut" };
      case "lose the reply": {
        if (call.loseOnTheWay) {
          call.loseOnTheWay();
          return { none: "silence" };
        }
        const answer = await call.carryOut();
        return call.worked(answer) ? { none: deed.how } : { answer, inVain: true };
      }
      case "kill":
      case "freeze":
        return deed.when === "before" ? this.#before(deed, call, victim) : this.#after(deed, call, victim);
      default:
        return deed satisfies never;
    }
  }

  async #before<Answer>(deed: Deed & Takedown, call: Call<Answer>, victim: Victim): Promise<Outcome<Answer>> {
    if (deed.do === "kill") {
      this.#hit(victim, { do: "kill" });
      return { none: "cut" };
    }
    this.freezes += 1;
    await victim.freeze(deed.ms);
    return { answer: await call.carryOut() };
  }

  async #after<Answer>(deed: Deed & Takedown, call: Call<Answer>, victim: Victim): Promise<Outcome<Answer>> {
    const { generation } = victim;
    const answer = await call.carryOut();
    // Somebody else may have had it meanwhile.
    if (!call.worked(answer) || !victim.isUp || victim.generation !== generation || !this.#canSpare())
      return { answer, inVain: true };
    if (deed.do === "kill") {
      this.#hit(victim, { do: "kill" });
      return { none: "cut" };
    }
    this.freezes += 1;
    await victim.freeze(deed.ms);
    return { answer };
  }

  #note({ edge, deed }: Fault): void {
    const counts = this.#done.get(edge) ?? new Map<string, number>();
    const name = deedName(deed);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#done.set(edge, counts);
    this.#lastAt = performance.now();
  }
}

type Takedown = { readonly do: "kill" | "freeze" };
type Outcome<Answer> = "not now" | { readonly answer: Answer; readonly inVain?: boolean } | { readonly none: NoAnswer };

function takesDown(deed: Deed): deed is Deed & Takedown {
  return deed.do === "kill" || deed.do === "freeze";
}

/** What a deed is counted as: `kill before`, `lose the reply`, `refuse 503`. */
export function deedName(deed: Deed): string {
  switch (deed.do) {
    case "kill":
    case "freeze":
      return `${deed.do} ${deed.when}`;
    case "refuse":
      return `refuse ${deed.status}`;
    case "lose the reply":
    case "delay":
    case "cut":
    case "ignore":
      return deed.do;
    default:
      return deed satisfies never;
  }
}

export const DEMANDED_DEEDS = ["kill before", "kill after", "freeze before", "freeze after", "lose the reply"] as const;

function isDemanded({ edge, deed }: Fault): boolean {
  return DEMANDED_EDGES.includes(edge) && DEMANDED_DEEDS.some((demanded) => demanded === deedName(deed));
}

/** What of the demanded never happened: `kill before: insert a run`. */
export function missingDeeds(done: Done, edges: readonly Edge[] = DEMANDED_EDGES): string[] {
  return edges.flatMap((edge) =>
    DEMANDED_DEEDS.filter((deed) => !done.get(edge)?.has(deed)).map((deed) => `${deed}: ${edge}`),
  );
}
