import { errorText } from "../errors.ts";
import type { Fields, Log } from "../log.ts";
import { type ClosedRun, type Run, runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import { countEvents } from "../telemetry/event-counts.ts";
import { type EventReader, type Events, makeEvents } from "../telemetry/events.ts";
import type { AcceptOutcome, Delivery } from "./accept.ts";
import { readDelivery } from "./read-delivery.ts";

/**
 * Handles one delivery of a trigger, and writes the one line that every delivery ends with: the outcome, the duration
 * in ms, the run and the Job that it started, what was settled and what is held, for the alerts. `readers` are told of
 * each event, and `afterwards` is called at the end. Never rejects, because the host would abandon the message at once,
 * again and again; a return lets the lock lapse.
 */
export function makeHandleDelivery(
  accept: (source: Source, delivery: Delivery, events: Events) => Promise<AcceptOutcome>,
  readers: readonly EventReader[],
  afterwards: (log: Log) => void,
) {
  return async (
    source: Source,
    metadata: Readonly<Record<string, unknown>> | undefined,
    log: Log,
  ): Promise<AcceptOutcome> => {
    const startedAt = performance.now();
    const counts = countEvents();
    let run: Run | ClosedRun | undefined;
    const noteRun: EventReader = (event) => {
      if ("run" in event) run = event.run;
    };
    const events = makeEvents(log.child({ source: sourceName(source) }), [counts.read, noteRun, ...readers]);
    let outcome: AcceptOutcome = "left";
    try {
      outcome = await accept(source, readDelivery(metadata), events);
    } catch (error) {
      events.log.error("left a message untouched", { why: errorText(error) });
    }
    const ms = Math.round(performance.now() - startedAt);
    const counted = counts.ofDelivery();
    // Of what triggers write, Azure gets the warnings alone, and the alerts count these two.
    const level = "deadLettered" in counted || "held" in counted ? "warn" : "info";
    events.log[level]("handled a delivery", { outcome, ms, ...(run && namesOf(run)), ...counted });
    afterwards(log);
    return outcome;
  };
}

function namesOf(run: Run | ClosedRun): Fields {
  const { messageId, module, jobName, attempt } = run;
  return { runId: runId(run), messageId, module, ...(jobName === undefined ? {} : { jobName, attempt }) };
}
