import type { InvocationContext, Timer } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";
import { logOf } from "./log-of.ts";

/** One tick of the reconciler. */
export function makeReconcileHandler(dispatcher: Dispatcher) {
  return (_timer: Timer, context: InvocationContext): Promise<void> => dispatcher.reconcile(logOf(context));
}
