import type { InvocationContext } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";
import type { Source } from "../shared/run/source.ts";
import { logOf } from "./log-of.ts";

/** Accepts one message of a source. */
export function makeAcceptHandler(dispatcher: Dispatcher, source: Source) {
  return async (_body: unknown, context: InvocationContext): Promise<void> => {
    await dispatcher.accept(source, context.triggerMetadata, logOf(context, dispatcher.instance));
  };
}
