import type { HttpResponseInit } from "@azure/functions";
import type { Dispatcher } from "../shared/compose.ts";

/** Answers 200, or 503 if a tick of this process is stuck. If it does not answer 200, a kubelet restarts the process. */
export function makeLiveHandler(dispatcher: Pick<Dispatcher, "liveness">) {
  return async (): Promise<HttpResponseInit> => {
    const liveness = dispatcher.liveness();
    return { status: liveness.live ? 200 : 503, jsonBody: liveness };
  };
}

/** Answers 200 if every dependency answers and the ticks are not silent, else 503. The body says which one and why. */
export function makeReadyHandler(dispatcher: Pick<Dispatcher, "readiness">) {
  return async (): Promise<HttpResponseInit> => {
    const readiness = await dispatcher.readiness();
    return { status: readiness.ready ? 200 : 503, jsonBody: readiness };
  };
}
