import type { HttpResponseInit } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";

/** Answers as long as the process turns: a reason to restart it when it doesn't. */
export async function live(): Promise<HttpResponseInit> {
  return { jsonBody: { live: true } };
}

/** 200 when every dependency answers and the reconciler is not silent, else 503; the body says which and why. */
export function makeReadyHandler(dispatcher: Dispatcher) {
  return async (): Promise<HttpResponseInit> => {
    const readiness = await dispatcher.readiness();
    return { status: readiness.ready ? 200 : 503, jsonBody: readiness };
  };
}
