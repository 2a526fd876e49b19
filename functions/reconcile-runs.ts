import type { InvocationContext, Timer } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";
import { logOf } from "./log-of.ts";

/** Runs one tick, and watches the Jobs until the next one is due, unless another replica does. */
export function makeReconcileHandler(dispatcher: Dispatcher) {
  return (_timer: Timer, context: InvocationContext): Promise<void> =>
    dispatcher.tick(logOf(context, dispatcher.instance));
}
