import type { InvocationContext } from "@azure/functions";
import { type Log, makeLog } from "../shared/log.ts";

/** Makes a log whose lines belong to this invocation. */
export function logOf(context: InvocationContext): Log {
  return makeLog({
    info: (line) => context.info(line),
    warn: (line) => context.warn(line),
    error: (line) => context.error(line),
  });
}
