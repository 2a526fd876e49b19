import type { CoreV1Event, V1Job, V1ObjectMeta, V1Pod } from "@kubernetes/client-node";
import { asJson, isRecord, valueAt } from "../../plain-data.ts";
import { NoAnswerError } from "./answer.ts";

/** The kinds that we read, by the API server's name for them, each with the client's type of it. */
interface Kinds {
  readonly Job: V1Job;
  readonly PartialObjectMetadata: { readonly metadata?: V1ObjectMeta };
  readonly PodList: { readonly items: V1Pod[] };
  readonly EventList: { readonly items: CoreV1Event[] };
}

/** Fields that are a Date in the client's types: `metav1.Time` and `metav1.MicroTime` of the Kubernetes API. */
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
/** Fields whose keys are free text, so that a key may be spelled like one of `TIMES`. */
const MAPS = new Set(["labels", "annotations"]);

/**
 * Turns an answer of the API server into a typed object, with its times as Dates. We don't use the client's own models,
 * because they load those of the whole API and accept any answer as the kind that was asked for. Throws NoAnswerError
 * if the answer is of another kind.
 */
export function readObject<K extends keyof Kinds>(kind: K, answer: unknown): Kinds[K] {
  if (!isRecord(answer) || answer["kind"] !== kind) {
    throw new NoAnswerError(
      `it answered with something other than a ${kind} (kind ${asJson(valueAt(answer, ["kind"]))})`,
    );
  }
  // Go may write an empty list as null.
  const whole = !kind.endsWith("List") ? answer : { ...answer, items: listIn(kind, answer["items"] ?? []) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The server itself says that it is of this kind.
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
    // The server writes some zero values as null.
    if (field === null) return [];
    if (MAPS.has(name)) return [[name, field]];
    return [[name, TIMES.has(name) && typeof field === "string" ? new Date(field) : dated(field)]];
  });
  return Object.fromEntries(fields);
}
