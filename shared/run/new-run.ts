import type { EpochMs } from "../clock.ts";
import { rejected } from "./change-run.ts";
import type { PeekedMessage } from "./message.ts";
import { keyOf, type Run, type RunKey } from "./run.ts";

/**
 * Time that a trigger has to defer the message and start its Job, and that a tick has to start the Job of a run that
 * waited. Until then other ticks leave the run alone.
 */
export const START_TIME_MS = 15_000;

/** What a run is made from. */
export interface RunStart {
  readonly key: RunKey;
  /** The message as the bus shows it. */
  readonly message: Pick<PeekedMessage, "messageId" | "correlationId" | "subject" | "expiresAt" | "properties">;
  /** The module that takes the message; empty if none does. */
  readonly module: string;
  /** Whether the body is too large to travel in the Job itself. */
  readonly bodyInBlob: boolean;
  readonly now: EpochMs;
  /** When the tick may look after it; `now` by default. */
  readonly notBefore?: EpochMs;
  /** Why no Job can ever work on the message. The run then begins with the verdict that it is rejected. */
  readonly problem?: string | undefined;
}

/**
 * Makes a run as it begins: accepted, with everything that the message says of itself, and its first attempt to come.
 * Every run begins here, so that a new field of runs is filled in by the trigger, the sweep and an adoption alike.
 */
export function newRun({ key, message, module, bodyInBlob, now, notBefore = now, problem }: RunStart): Run {
  const traceparent = traceparentOf(message);
  const run: Run = {
    ...keyOf(key),
    status: "accepted",
    module,
    messageId: message.messageId ?? "",
    ...(message.correlationId === undefined ? {} : { correlationId: message.correlationId }),
    ...(message.subject === undefined ? {} : { subject: message.subject }),
    ...(traceparent === undefined ? {} : { traceparent }),
    acceptedAt: now,
    ...(message.expiresAt === undefined ? {} : { expiresAt: message.expiresAt }),
    attempt: 1,
    failures: 0,
    interruptions: 0,
    bodyInBlob,
    notBefore,
    busyCount: 0,
  };
  return problem === undefined ? run : rejected(run, problem);
}

/** Reads the sender's W3C trace context, under the name that the SDKs give it or the older name of the Azure SDKs. */
function traceparentOf({ properties }: Pick<PeekedMessage, "properties">): string | undefined {
  const value = properties["traceparent"] ?? properties["Diagnostic-Id"];
  return typeof value === "string" && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(value) ? value : undefined;
}
