import type { InvocationContext } from "@azure/functions";
import { type Log, makeLog } from "../shared/log.ts";

/** Makes a log whose lines belong to this invocation, and name this instance. */
export function logOf(context: Pick<InvocationContext, "info" | "warn" | "error">, instance: string): Log {
  return makeLog(
    {
      info: (line) => context.info(line),
      warn: (line) => context.warn(line),
      error: (line) => context.error(line),
    },
    { instance },
  );
}
