import type { Call, CallHandler, NoAnswer } from "../faults/call.ts";
import type { Edge } from "../faults/edges.ts";
import type { Replica } from "../faults/replica.ts";

/** A call that the script has stopped. It waits until the story goes on with it. */
interface CaughtCall {
  /** The replica that makes the call, counted from 0. */
  readonly replica: number;
  /** Lets the call go on as if nothing had happened. */
  goOn(): void;
  /** Kills the replica that makes the call. */
  kill(): void;
}

/** A call that a story has asked for, and that has not been made yet. */
interface AwaitedCall {
  readonly edge: Edge;
  readonly when: "before" | "after";
  readonly replica: number | undefined;
  readonly freeze: boolean;
  readonly onCaught: (caught: CaughtCall) => void;
}

/** An answer that the next calls get instead of the server's. */
interface ScriptedAnswer {
  readonly edge: Edge;
  readonly replica: number | undefined;
  /** How many calls still get it. */
  times: number;
  readonly answer: { readonly status: number } | { readonly old: unknown } | NoAnswer;
}

interface FromReplica {
  /** Only the calls of this replica count. Without it, those of all replicas do. */
  readonly replica?: number;
}

/** Decides about the replicas' calls one by one, as a story tells it. Nothing in it is left to chance. */
export class Script implements CallHandler {
  readonly #replicas: () => readonly Pick<Replica, "kill" | "freezeUntil">[];
  #awaited: AwaitedCall[] = [];
  #answers: ScriptedAnswer[] = [];
  readonly #listeners = new Map<Edge, (answer: unknown) => void>();
  readonly #carriedOut = new Map<Edge, number>();

  constructor(replicas: () => readonly Pick<Replica, "kill" | "freezeUntil">[]) {
    this.#replicas = replicas;
  }

  /**
   * Stops the next such call, before it reaches its server or before its answer comes back. With `freeze`, it freezes
   * the whole replica too. Resolves when the call is caught.
   */
  catch(
    edge: Edge,
    when: "before" | "after",
    { replica, freeze = false }: FromReplica & { readonly freeze?: boolean } = {},
  ) {
    return new Promise<CaughtCall>((resolve) => {
      this.#awaited.push({ edge, when, replica, freeze, onCaught: resolve });
    });
  }

  /** Answers the next such calls with this status. The server never sees them. */
  answer(edge: Edge, status: number, { replica, times = 1 }: FromReplica & { readonly times?: number } = {}): void {
    this.#answers.push({ edge, replica, times, answer: { status } });
  }

  /** Resolves to the server's next answer to such a call, so that `repeat` can give it when it is out of date. */
  listen(edge: Edge): Promise<unknown> {
    return new Promise((resolve) => this.#listeners.set(edge, resolve));
  }

  /** Answers the next such calls with an earlier answer, as a cache does that lags behind. */
  repeat(edge: Edge, old: unknown, times: number): void {
    this.#answers.push({ edge, replica: undefined, times, answer: { old } });
  }

  /** Gives the next such calls no answer. The server never sees them. */
  refuse(edge: Edge, how: NoAnswer, times: number): void {
    this.#answers.push({ edge, replica: undefined, times, answer: how });
  }

  /** Counts such calls that reached their server. */
  carriedOut(edge: Edge): number {
    return this.#carriedOut.get(edge) ?? 0;
  }

  /** How many uses of `answer` and `repeat` still have answers to give. */
  get answersLeft(): number {
    return this.#answers.filter(({ times }) => times > 0).length;
  }

  /** Lets the servers answer all calls themselves again. */
  stopAnswering(): void {
    this.#answers = [];
  }

  /** Lets every call through from here on. */
  end(): void {
    this.stopAnswering();
    this.#awaited = [];
  }

  async handle<Answer>(call: Call<Answer>): Promise<Answer | NoAnswer> {
    const scripted = this.#answers.find((each) => isFor(each, call) && each.times > 0);
    if (scripted) {
      scripted.times -= 1;
      if (typeof scripted.answer === "string") return scripted.answer;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It was the answer to the same call.
      return "status" in scripted.answer ? call.refusal(scripted.answer.status) : (scripted.answer.old as Answer);
    }
    const before = this.#take(call, "before");
    if (before && (await this.#stop(before, call.replica)) === "cut") return "cut";
    for (const edge of call.edges) this.#carriedOut.set(edge, this.carriedOut(edge) + 1);
    const answer = await call.carryOut();
    for (const edge of call.edges) this.#listeners.get(edge)?.(answer);
    const after = call.worked(answer) ? this.#take(call, "after") : undefined;
    return after && (await this.#stop(after, call.replica)) === "cut" ? "cut" : answer;
  }

  #take(call: Call<unknown>, when: AwaitedCall["when"]): AwaitedCall | undefined {
    const awaited = this.#awaited.find((each) => each.when === when && isFor(each, call));
    this.#awaited = this.#awaited.filter((each) => each !== awaited);
    return awaited;
  }

  #stop({ freeze, onCaught }: AwaitedCall, index: number): Promise<"go on" | "cut"> {
    const replica = this.#replicas()[index];
    const decided = new Promise<"go on" | "cut">((resolve) => {
      onCaught({
        replica: index,
        goOn: () => resolve("go on"),
        kill: () => {
          replica?.kill();
          resolve("cut");
        },
      });
    });
    if (freeze) void replica?.freezeUntil(decided);
    return decided;
  }
}

function isFor({ edge, replica }: Pick<ScriptedAnswer, "edge" | "replica">, call: Call<unknown>): boolean {
  return call.edges.includes(edge) && (replica === undefined || replica === call.replica);
}
