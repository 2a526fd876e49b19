import { UnavailableError } from "../../shared/errors.ts";

/**
 * The faults that a test orders for the next call of a fake's method. Each is used up by one call. Several for one
 * method queue up.
 */
export interface Interference<Method extends string> {
  /** Makes the next call do nothing and reject. */
  failNext(method: Method, error?: Error): void;
  /** Makes the next call do its work and reject all the same, as if its answer was lost. */
  loseNextReply(method: Method, error?: Error): void;
  /**
   * Runs `action` when the method is called next, before the call does anything. It stands for what another replica
   * does in the meantime.
   */
  beforeNext(method: Method, action: () => unknown): void;
}

type Step =
  | { readonly kind: "fail" | "loseReply"; readonly error: Error }
  | { readonly kind: "before"; readonly action: () => unknown };

/** The faults that are ordered for a fake's next calls. A fake asks `carryOut` to do each call. */
export class Mishaps<Method extends string> implements Interference<Method> {
  readonly #queues = new Map<Method, Step[]>();

  failNext(method: Method, error: Error = new UnavailableError(`${method} failed, as the test asked.`)): void {
    this.#add(method, { kind: "fail", error });
  }

  loseNextReply(method: Method, error: Error = new UnavailableError(`The reply of ${method} was lost.`)): void {
    this.#add(method, { kind: "loseReply", error });
  }

  beforeNext(method: Method, action: () => unknown): void {
    this.#add(method, { kind: "before", action });
  }

  /** Does one call of a method, with the faults that were ordered for it. */
  async carryOut<T>(method: Method, act: () => T | Promise<T>): Promise<T> {
    let step = this.#queues.get(method)?.shift();
    while (step?.kind === "before") {
      await step.action();
      step = this.#queues.get(method)?.shift();
    }
    if (step?.kind === "fail") throw step.error;
    const result = await act();
    if (step?.kind === "loseReply") throw step.error;
    return result;
  }

  #add(method: Method, step: Step): void {
    this.#queues.set(method, [...(this.#queues.get(method) ?? []), step]);
  }
}

/** Wraps the methods of a fake so that tests can interfere with their next calls. */
export function withInterference<Port extends object>(port: Port): Port & Interference<Extract<keyof Port, string>> {
  const mishaps = new Mishaps<string>();
  const wrapped = Object.fromEntries(
    Object.entries(port).map(([name, method]: [string, (...args: unknown[]) => unknown]) => [
      name,
      (...args: unknown[]) => mishaps.carryOut(name, () => method(...args)),
    ]),
  );
  return Object.assign({ ...port }, wrapped, {
    failNext: mishaps.failNext.bind(mishaps),
    loseNextReply: mishaps.loseNextReply.bind(mishaps),
    beforeNext: mishaps.beforeNext.bind(mishaps),
  });
}
