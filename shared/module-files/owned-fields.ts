import { isOwnKey } from "../jobs/job-identity.ts";
import { isOwnEnv, MESSAGE_DIR, MESSAGE_VOLUME } from "../jobs/message-pod.ts";
import { valueAt } from "../plain-data.ts";

/** A field of a module's `jobTemplate` that the Dispatcher fills in itself. */
export interface OwnedField {
  /** The path from the template's root, as in its YAML. */
  readonly path: readonly (string | number)[];
  /** What to do instead. */
  readonly instead: string;
}

const ONE_POD = "leave it out: one message is one Job with one pod";
const NAMED = "leave it out: the Dispatcher names its Jobs and pods";
const OWN_LABELS = "leave it out: the Dispatcher finds its Jobs and pods by it";
const OWN_ENV = "choose another name: DISPATCHER_* and TRACEPARENT are the message's own";

/** The fields that a template must not set, by their path from its root. */
const OWNED: readonly (readonly [path: string, instead: string])[] = [
  ["metadata.name", NAMED],
  ["metadata.generateName", NAMED],
  ["metadata.namespace", "set JOB_NAMESPACE"],
  ["spec.backoffLimit", "set retry.maxAttempts"],
  ["spec.backoffLimitPerIndex", "set retry.maxAttempts"],
  ["spec.maxFailedIndexes", "set retry.maxAttempts"],
  ["spec.podFailurePolicy", "set retry.permanentExitCodes"],
  ["spec.activeDeadlineSeconds", "set maxRunningTime"],
  ["spec.ttlSecondsAfterFinished", "set JOB_RETENTION"],
  ["spec.parallelism", ONE_POD],
  ["spec.completions", ONE_POD],
  ["spec.completionMode", ONE_POD],
  ["spec.successPolicy", ONE_POD],
  ["spec.podReplacementPolicy", ONE_POD],
  ["spec.selector", OWN_LABELS],
  ["spec.manualSelector", OWN_LABELS],
  ["spec.managedBy", "leave it out: the Dispatcher needs the cluster's own Job controller"],
  ["spec.template.metadata.name", NAMED],
  ["spec.template.metadata.generateName", NAMED],
  ["spec.template.metadata.namespace", "set JOB_NAMESPACE"],
  ["spec.template.spec.activeDeadlineSeconds", "set maxRunningTime"],
];

/** The advice for an owned environment variable. */
export const OWNED_ENV_ADVICE = OWN_ENV;

/**
 * Finds the fields of a `jobTemplate` that the Dispatcher owns, each with what to do instead. `suspend` is not among
 * them, because Kueue needs it.
 */
export function ownedFields(template: unknown): OwnedField[] {
  const fixed = OWNED.map(([path, instead]) => ({ path: path.split("."), instead })).filter(
    ({ path }) => valueAt(template, path) !== undefined,
  );
  return [
    ...fixed,
    ...ownKeys(template, ["metadata"]),
    ...ownKeys(template, ["spec", "template", "metadata"]),
    ...restartPolicy(template),
    ...volumes(template),
    ...["initContainers", "containers"].flatMap((list) => containers(template, ["spec", "template", "spec", list])),
  ];
}

function ownKeys(template: unknown, metadata: string[]): OwnedField[] {
  return ["labels", "annotations"].flatMap((kind) =>
    Object.keys(valueAt(template, [...metadata, kind]) ?? {})
      .filter(isOwnKey)
      .map((key) => ({ path: [...metadata, kind, key], instead: OWN_LABELS })),
  );
}

function restartPolicy(template: unknown): OwnedField[] {
  const path = ["spec", "template", "spec", "restartPolicy"];
  const value = valueAt(template, path);
  if (value === undefined || value === "Never") return [];
  return [{ path, instead: "write Never, or leave it out, and set retry.maxAttempts" }];
}

function volumes(template: unknown): OwnedField[] {
  const path = ["spec", "template", "spec", "volumes"];
  return items(template, path)
    .filter(({ item }) => valueAt(item, ["name"]) === MESSAGE_VOLUME)
    .map(({ index }) => ({ path: [...path, index, "name"], instead: "choose another name: it is the message's own" }));
}

function containers(template: unknown, path: (string | number)[]): OwnedField[] {
  return items(template, path).flatMap(({ index }) => {
    const env = items(template, [...path, index, "env"])
      .filter(({ item }) => isOwnEnv(textAt(item, "name")))
      .map((found) => ({ path: [...path, index, "env", found.index, "name"], instead: OWN_ENV }));
    const mounts = items(template, [...path, index, "volumeMounts"])
      .filter(({ item }) => `${textAt(item, "mountPath")}/`.startsWith(`${MESSAGE_DIR}/`))
      .map((found) => ({
        path: [...path, index, "volumeMounts", found.index, "mountPath"],
        instead: `mount it elsewhere: ${MESSAGE_DIR} holds the message`,
      }));
    return [...env, ...mounts];
  });
}

function textAt(item: unknown, field: string): string {
  const value = valueAt(item, [field]);
  return typeof value === "string" ? value : "";
}

function items(root: unknown, path: readonly (string | number)[]): { index: number; item: unknown }[] {
  const list = valueAt(root, path);
  return Array.isArray(list) ? list.map((item: unknown, index) => ({ index, item })) : [];
}
