import { UnavailableError } from "../../shared/errors.ts";

/** What can go wrong with the next call of a fake's method. Each is used up by one call; several for one method queue up. */
export interface Interference<Method extends string> {
  /** The next call does nothing and rejects. */
  failNext(method: Method, error?: Error): void;
  /** The next call does its work, and rejects all the same: its answer was lost. */
  loseNextReply(method: Method, error?: Error): void;
  /** Runs `action` when the method is called next, before it does anything: what somebody else does in the meantime. */
  beforeNext(method: Method, action: () => unknown): void;
}

type Step =
  | { readonly kind: "fail" | "loseReply"; readonly error: Error }
  | { readonly kind: "before"; readonly action: () => unknown };

/** Wraps the methods of a fake so that tests can interfere with their next calls. */
export function withInterference<Port extends object>(port: Port): Port & Interference<Extract<keyof Port, string>> {
  const queues = new Map<string, Step[]>();
  const add = (method: string, step: Step) => queues.set(method, [...(queues.get(method) ?? []), step]);
  const wrapped = Object.fromEntries(
    Object.entries(port).map(([name, method]: [string, (...args: unknown[]) => unknown]) => [
      name,
      async (...args: unknown[]) => {
        let step = queues.get(name)?.shift();
        while (step?.kind === "before") {
          await step.action();
          step = queues.get(name)?.shift();
        }
        if (step?.kind === "fail") throw step.error;
        const result = await method(...args);
        if (step?.kind === "loseReply") throw step.error;
        return result;
      },
    ]),
  );
  return Object.assign({ ...port }, wrapped, {
    failNext: (method: string, error: Error = new UnavailableError(`${method} failed, as the test asked.`)) =>
      add(method, { kind: "fail", error }),
    loseNextReply: (method: string, error: Error = new UnavailableError(`The reply of ${method} was lost.`)) =>
      add(method, { kind: "loseReply", error }),
    beforeNext: (method: string, action: () => unknown) => add(method, { kind: "before", action }),
  });
}
