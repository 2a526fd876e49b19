import type { Call } from "./call.ts";
import type { Edge } from "./edges.ts";
import { demandedFaults, type FaultCounts, faultName, takesDown } from "./fault.ts";
import type { CallFault, Plan } from "./plan.ts";

interface Waiting {
  readonly faults: CallFault[];
  /** Calls that were let through since the last fault of this edge. */
  passed: number;
}

/** Keeps the faults that still wait for their calls, and counts those that have happened. */
export class CallFaults {
  readonly #waiting = new Map<Edge, Waiting>();
  /** Faults that have begun and are not over. A frozen replica may still be killed before it wakes. */
  readonly #underWay = new Set<CallFault>();
  readonly #counts = new Map<Edge, Map<string, number>>();
  readonly #demanded: readonly Edge[];
  readonly #planned: number;
  #later: readonly CallFault[];
  #lastAt = performance.now();

  constructor({ callFaults, demanded, laterFaults }: Pick<Plan, "callFaults" | "demanded" | "laterFaults">) {
    this.#demanded = demanded;
    this.#later = laterFaults;
    this.#add(callFaults);
    this.#planned = this.owed.length;
  }

  #add(faults: readonly CallFault[]): void {
    for (const fault of faults) {
      const waiting = this.#waiting.get(fault.edge) ?? { faults: [], passed: 0 };
      waiting.faults.push(fault);
      this.#waiting.set(fault.edge, waiting);
    }
  }

  /** How often each fault has happened on each edge. */
  get counts(): FaultCounts {
    return this.#counts;
  }

  /** The planned faults that have not happened yet. */
  get left(): CallFault[] {
    return [...[...this.#waiting.values()].flatMap(({ faults }) => faults), ...this.#underWay];
  }

  /** The demanded faults among them: without these the proof does not hold. */
  get owed(): CallFault[] {
    return this.left.filter(
      (planned) => this.#isDemanded(planned) && this.#counts.get(planned.edge)?.has(faultName(planned.fault)) !== true,
    );
  }

  /** The share of the demanded faults that have happened, from 0 to 1. */
  get progress(): number {
    return this.#planned === 0 ? 1 : 1 - this.owed.length / this.#planned;
  }

  /** How long no planned fault has happened. */
  get idleMs(): number {
    return performance.now() - this.#lastAt;
  }

  /**
   * Takes the fault that is to happen on this call; undefined if the call is to pass. Without `canTakeDown`, a kill or
   * a freeze waits for a later call. The caller has to tell afterwards, by `happened` or `putBack`, what came of the
   * fault.
   */
  take({ edges }: Pick<Call<unknown>, "edges">, canTakeDown: boolean): CallFault | undefined {
    for (const edge of edges) {
      const fault = this.#takeOn(edge, canTakeDown);
      if (fault === undefined) continue;
      this.#underWay.add(fault);
      return fault;
    }
    return undefined;
  }

  #takeOn(edge: Edge, canTakeDown: boolean): CallFault | undefined {
    const waiting = this.#waiting.get(edge);
    const [next] = waiting?.faults ?? [];
    if (waiting === undefined || next === undefined) return undefined;
    waiting.passed += 1;
    if (waiting.passed <= next.gap) return undefined;
    const at = waiting.faults.findIndex(({ fault }) => !takesDown(fault) || canTakeDown);
    if (at < 0) return undefined;
    waiting.passed = 0;
    return waiting.faults.splice(at, 1)[0];
  }

  /** Has a fault that came to nothing wait for the next call of its edge. */
  putBack(fault: CallFault): void {
    this.#underWay.delete(fault);
    this.#waiting.get(fault.edge)?.faults.unshift(fault);
  }

  /** Counts a fault that has happened. */
  happened(planned: CallFault): void {
    this.#underWay.delete(planned);
    const counts = this.#counts.get(planned.edge) ?? new Map<string, number>();
    const name = faultName(planned.fault);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#counts.set(planned.edge, counts);
    this.#lastAt = performance.now();
    if (this.#later.length === 0 || this.owed.length > 0) return;
    this.#add(this.#later);
    this.#later = [];
  }

  #isDemanded({ edge, fault }: CallFault): boolean {
    return this.#demanded.includes(edge) && demandedFaults(edge).includes(faultName(fault));
  }
}
