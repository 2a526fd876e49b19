import type { CoreV1Event, V1Job, V1Pod } from "@kubernetes/client-node";
import { asJson, isRecord, valueAt } from "../../plain-data.ts";
import { NoAnswerError } from "./answer.ts";

/** By their kind: what the API server calls the object, or its list, and what the client's types call it. */
interface Kinds {
  readonly Job: V1Job;
  readonly PodList: { readonly items: V1Pod[] };
  readonly EventList: { readonly items: CoreV1Event[] };
}

/** Fields that the client's types call a Date: `metav1.Time` and `metav1.MicroTime` of the Kubernetes API. */
const TIMES = new Set([
  "creationTimestamp",
  "deletionTimestamp",
  "startTime",
  "completionTime",
  "lastProbeTime",
  "lastTransitionTime",
  "startedAt",
  "finishedAt",
  "firstTimestamp",
  "lastTimestamp",
  "eventTime",
  "lastObservedTime",
]);
/** Their keys are anybody's. */
const MAPS = new Set(["labels", "annotations"]);

/**
 * An answer of the API server as the object that it is, its times as Dates. Not by the client's own models: all of the API's would be loaded
 * for these three, and they take any answer for whatever was asked for. Throws NoAnswerError where it is of another kind.
 */
export function readObject<K extends keyof Kinds>(kind: K, answer: unknown): Kinds[K] {
  if (!isRecord(answer) || answer["kind"] !== kind) {
    throw new NoAnswerError(
      `it answered with something other than a ${kind} (kind ${asJson(valueAt(answer, ["kind"]))})`,
    );
  }
  // Go may write an empty list as null.
  const whole = kind === "Job" ? answer : { ...answer, items: listIn(kind, answer["items"] ?? []) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The server's own word for what it is.
  return dated(whole) as Kinds[K];
}

function listIn(kind: string, items: unknown): unknown[] {
  if (Array.isArray(items) && items.every(isRecord)) return items;
  throw new NoAnswerError(`it answered with a ${kind} whose items are no list of objects`);
}

function dated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dated);
  if (!isRecord(value)) return value;
  const fields = Object.entries(value).flatMap(([name, field]): [string, unknown][] => {
    // A zero value that the server does not leave out.
    if (field === null) return [];
    if (MAPS.has(name)) return [[name, field]];
    return [[name, TIMES.has(name) && typeof field === "string" ? new Date(field) : dated(field)]];
  });
  return Object.fromEntries(fields);
}
