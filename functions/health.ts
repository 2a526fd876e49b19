import type { HttpResponseInit } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";

/** Answers as long as the process is alive. A kubelet restarts it if it doesn't. */
export async function live(): Promise<HttpResponseInit> {
  return { jsonBody: { live: true } };
}

/** Answers 200 if every dependency answers and the ticks are not silent, else 503. The body says which one and why. */
export function makeReadyHandler(dispatcher: Dispatcher) {
  return async (): Promise<HttpResponseInit> => {
    const readiness = await dispatcher.readiness();
    return { status: readiness.ready ? 200 : 503, jsonBody: readiness };
  };
}
