import type { InvocationContext } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";
import { readDelivery } from "../shared/dispatch/read-delivery.ts";
import { errorText } from "../shared/errors.ts";
import { type Source, sourceName } from "../shared/run/source.ts";
import { logOf } from "./log-of.ts";

/** Accepts one message of a source. Never throws: the host would abandon at once, in a loop; a return lets the lock lapse in peace. */
export function makeAcceptHandler(dispatcher: Dispatcher, source: Source) {
  return async (_body: unknown, context: InvocationContext): Promise<void> => {
    const startedAt = performance.now();
    const log = logOf(context).child({ source: sourceName(source) });
    let outcome: string;
    try {
      outcome = await dispatcher.accept(source, readDelivery(context.triggerMetadata), log);
    } catch (error) {
      outcome = "left";
      log.error("left a message untouched", { why: errorText(error) });
    }
    log.info("handled a delivery", { outcome, ms: Math.round(performance.now() - startedAt) });
  };
}
