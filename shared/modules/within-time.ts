import { createContext, Script } from "node:vm";
import { UnavailableError } from "../errors.ts";

const context: { task?: () => unknown } = {};
createContext(context);
const script = new Script("task()");

/** A function took longer than it may, and was ended. */
export class TimeLimitError extends Error {
  override readonly name = "TimeLimitError";
}

/**
 * Runs a function, and ends it after `limitMs`. Otherwise a loop that takes minutes would stop the whole process: no
 * timer, no health check and no other message would get its turn. Throws a TimeLimitError if the function used up its
 * time, and an UnavailableError if the process itself did not get on, because it was frozen or the machine is busy. The
 * function must not change anything, because it may be ended anywhere.
 */
export function withinTime<T>(limitMs: number, task: () => T): T {
  let result: T | undefined;
  context.task = () => {
    result = task();
  };
  const before = process.cpuUsage();
  try {
    script.runInContext(context, { timeout: limitMs });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    const { user, system } = process.cpuUsage(before);
    const usedMs = (user + system) / 1000;
    if (usedMs < limitMs / 2)
      throw new UnavailableError(`The process got the processor for ${Math.round(usedMs)} of ${limitMs} ms.`);
    throw new TimeLimitError(`It took longer than ${limitMs} ms.`);
  } finally {
    delete context.task;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The task has returned it.
  return result as T;
}

/** Whether the time ran out. The error comes from another realm, so that it is no `Error` of this one. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
  );
}
