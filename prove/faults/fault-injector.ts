import { setTimeout as sleep } from "node:timers/promises";
import type { Call, CallHandler, NoAnswer } from "./call.ts";
import { CallFaults } from "./call-faults.ts";
import { type Fault, faultName, type Takedown } from "./fault.ts";
import type { CallFault, Plan, RandomFault } from "./plan.ts";
import type { Replica } from "./replica.ts";

/** Carries out a plan: injects its faults at the replicas' calls, and kills or freezes replicas at random moments. */
export class FaultInjector implements CallHandler {
  /** The faults that wait for their calls, and those that have happened. */
  readonly callFaults: CallFaults;
  readonly #replicas: readonly Replica[];
  readonly #unknown = new Set<string>();
  readonly #accepting = new Set<number>();
  readonly #atWork = new Set<number>();
  readonly #say: (line: string) => void;
  #randomFaults: RandomFault[];
  #isOver = false;
  #nudgedAt = performance.now();
  kills = 0;
  freezes = 0;

  constructor(plan: Plan, replicas: readonly Replica[], say: (line: string) => void = () => {}) {
    this.#replicas = replicas;
    this.#say = say;
    this.callFaults = new CallFaults(plan);
    this.#randomFaults = [...plan.randomFaults];
  }

  /** The calls that `edges.ts` doesn't list. They were let through, so the proof says nothing about them. */
  get unknown(): string[] {
    return [...this.#unknown].toSorted();
  }

  /** The replicas that have accepted a message, counted from 0. */
  get accepting(): ReadonlySet<number> {
    return this.#accepting;
  }

  /** The replicas that have made a call that worked since `end`, counted from 0. */
  get atWork(): ReadonlySet<number> {
    return this.#atWork;
  }

  /** How many random faults have not happened yet. */
  get randomFaultsLeft(): number {
    return this.#randomFaults.length;
  }

  /** How long no planned fault has happened, and no replica has been nudged. */
  get quietMs(): number {
    return Math.min(this.callFaults.idleMs, performance.now() - this.#nudgedAt);
  }

  /** Lets every call through from here on. */
  end(): void {
    this.#isOver = true;
  }

  /** Injects the fault that the plan has for this call, or lets the call through. */
  async handle<Answer>(call: Call<Answer>): Promise<Answer | NoAnswer> {
    if (call.edges.length === 0) this.#unknown.add(call.asked);
    const replica = this.#replicas[call.replica];
    if (this.#isOver || replica?.isUp !== true) return this.#letThrough(call);
    const planned = this.callFaults.take(call, this.#canSpare());
    return planned === undefined ? this.#letThrough(call) : this.#injectPlanned(planned, call, replica);
  }

  async #letThrough<Answer>(call: Call<Answer>): Promise<Answer> {
    const answer = await call.carryOut();
    // The bus makes a delivery, and not the replica.
    if (call.loseOnTheWay !== undefined || !call.worked(answer)) return answer;
    if (call.edges.includes("insert a run")) this.#accepting.add(call.replica);
    if (this.#isOver) this.#atWork.add(call.replica);
    return answer;
  }

  async #injectPlanned<Answer>(planned: CallFault, call: Call<Answer>, replica: Replica): Promise<Answer | NoAnswer> {
    const { edge, fault } = planned;
    const { generation } = replica;
    this.#say(`replica ${call.replica + 1}: ${faultName(fault)}: ${edge}`);
    const outcome = await this.#inject(fault, call, replica).catch((error: unknown) => {
      // The server was away.
      this.callFaults.putBack(planned);
      throw error;
    });
    // If a random fault killed the process meanwhile, it did not live through this fault.
    const isSameProcess = replica.generation === generation || fault.kind === "kill";
    if (isSameProcess && outcome.isInVain !== true) this.callFaults.happened(planned);
    else this.callFaults.putBack(planned);
    return "answer" in outcome ? outcome.answer : outcome.none;
  }

  /**
   * Injects the random faults that are due once so many messages have been sent. It has to be called again and again.
   */
  injectRandomFaults(sent: number): void {
    while (!this.#isOver) {
      const [next] = this.#randomFaults;
      if (next === undefined || next.sent > sent) return;
      const up = this.#replicas.filter(({ isUp }) => isUp);
      const replica = up[next.replica % Math.max(up.length, 1)];
      if (replica === undefined || up.length < 2) return;
      this.#randomFaults.shift();
      if (next.fault.kind === "kill") this.#kill(replica);
      else void this.#freeze(replica, next.fault.ms);
    }
  }

  /** Kills a replica outside the plan, because some calls are made only by a process that has just started. */
  nudge(): void {
    const replica = this.#replicas.find(({ isUp }) => isUp);
    if (replica && this.#canSpare()) this.#kill(replica);
    this.#nudgedAt = performance.now();
  }

  /** Tells whether a replica may be taken down: at least one has to stay up. */
  #canSpare(): boolean {
    return this.#replicas.filter(({ isUp }) => isUp).length > 1;
  }

  #kill(replica: Replica): void {
    this.kills += 1;
    replica.kill();
  }

  #freeze(replica: Replica, ms: number): Promise<void> {
    this.freezes += 1;
    return replica.freeze(ms);
  }

  async #inject<Answer>(fault: Fault, call: Call<Answer>, replica: Replica): Promise<Outcome<Answer>> {
    switch (fault.kind) {
      case "refuse":
        return { answer: call.refusal(fault.status) };
      case "cut":
      case "detach":
        return { none: fault.kind };
      case "ignore":
        return { none: "silence" };
      case "deny": {
        const answer = await call.carryOut();
        return call.worked(answer) ? { answer: call.refusal(fault.status) } : { answer, isInVain: true };
      }
      case "delay":
        await sleep(fault.ms);
        await call.carryOut();
        return { none: "cut" };
      case "lose the reply": {
        if (call.loseOnTheWay) {
          call.loseOnTheWay();
          return { none: "silence" };
        }
        const answer = await call.carryOut();
        return call.worked(answer) ? { none: fault.how } : { answer, isInVain: true };
      }
      case "kill":
      case "freeze":
        return fault.when === "before" ? this.#before(fault, call, replica) : this.#after(fault, call, replica);
      default:
        return fault satisfies never;
    }
  }

  async #before<Answer>(fault: Takedown, call: Call<Answer>, replica: Replica): Promise<Outcome<Answer>> {
    if (fault.kind === "kill") {
      this.#kill(replica);
      return { none: "cut" };
    }
    await this.#freeze(replica, fault.ms);
    return { answer: await call.carryOut() };
  }

  async #after<Answer>(fault: Takedown, call: Call<Answer>, replica: Replica): Promise<Outcome<Answer>> {
    const { generation } = replica;
    const answer = await call.carryOut();
    // Another fault may have hit the replica meanwhile.
    if (!call.worked(answer) || !replica.isUp || replica.generation !== generation || !this.#canSpare())
      return { answer, isInVain: true };
    if (fault.kind === "kill") {
      this.#kill(replica);
      return { none: "cut" };
    }
    await this.#freeze(replica, fault.ms);
    return { answer };
  }
}

/** What comes of a call with a fault. A fault in vain did not happen: it waits for the next call. */
type Outcome<Answer> = ({ readonly answer: Answer } | { readonly none: NoAnswer }) & { readonly isInVain?: boolean };
