import type { V1Job } from "@kubernetes/client-node";
import { isRecord, shortJson } from "../plain-data.ts";
import { isOwnKey } from "./job-identity.ts";
import { isOwnEnv, MESSAGE_VOLUME } from "./message-pod.ts";

/** What a policy of the cluster made of some parts of a Job, and what would follow. */
export interface PolicyChange {
  /** An `error` breaks what the Dispatcher promises. */
  readonly level: "error" | "warning";
  /** Each changed part, with its two values, such as `spec.parallelism from 1 to 2`. */
  readonly changed: readonly string[];
  /** What would follow, as a sentence without its full stop. */
  readonly follows: string;
}

/** A step into an object: the name of a field or key, or the `name` of an item in a list. */
type Step = string | { readonly named: string };
type Path = readonly Step[];

interface Rule {
  readonly level: PolicyChange["level"];
  /** The parts of the sent Job that have to come back as they are. */
  readonly parts: (sent: V1Job) => readonly Path[];
  /** Whether a part that was not sent has to stay away. Otherwise the server has a default for it. */
  readonly staysAway?: true;
  readonly follows: string;
}

const JOB = ["metadata"];
const TEMPLATE = ["spec", "template", "metadata"];
const POD = ["spec", "template", "spec"];

const RULES: readonly Rule[] = [
  {
    level: "error",
    parts: (sent) => [...keys(sent, [...JOB, "labels"], isOwnKey), ...keys(sent, [...JOB, "annotations"], isOwnKey)],
    follows: "The Dispatcher would not know its own Jobs, and start the next attempt beside one that runs",
  },
  {
    level: "error",
    parts: (sent) => keys(sent, [...TEMPLATE, "labels"], isOwnKey),
    follows: "The Dispatcher would not see the pods of its Jobs, and not notice that one can't start",
  },
  {
    level: "error",
    parts: (sent) => [
      ...keys(sent, [...TEMPLATE, "annotations"], isOwnKey),
      ...inContainers(sent),
      [...POD, "volumes", { named: MESSAGE_VOLUME }],
    ],
    follows: "The worker would not find its message, or find another one",
  },
  {
    level: "error",
    parts: () => [[...POD, "serviceAccountName"]],
    follows: "The worker would run with another identity than its module names",
  },
  {
    level: "error",
    parts: () => [
      ["spec", "parallelism"],
      ["spec", "completions"],
    ],
    follows: "One attempt would have several pods at once, or none",
  },
  {
    level: "error",
    parts: () => [
      ["spec", "backoffLimit"],
      ["spec", "podFailurePolicy"],
      [...POD, "restartPolicy"],
    ],
    follows:
      "The cluster would repeat an attempt by itself, which nothing counts, or an eviction would count as a failure",
  },
  {
    level: "error",
    parts: () => [
      ["spec", "activeDeadlineSeconds"],
      [...POD, "activeDeadlineSeconds"],
    ],
    staysAway: true,
    follows: "Attempts would end at another time than maxRunningTime and startTimeout say",
  },
  {
    level: "error",
    parts: () => [["spec", "ttlSecondsAfterFinished"]],
    staysAway: true,
    follows:
      "The cluster might delete a finished Job before the Dispatcher has seen how it ended, and the work would be done again",
  },
  {
    level: "error",
    parts: () => [["spec", "managedBy"]],
    staysAway: true,
    follows: "The cluster's own Job controller would not run the Job",
  },
  {
    level: "warning",
    parts: (sent) =>
      [JOB, TEMPLATE].flatMap((metadata) =>
        ["labels", "annotations"].flatMap((kind) => keys(sent, [...metadata, kind], (key) => !isOwnKey(key))),
      ),
    follows: "What they ask for would not happen, such as a queue for the Job, or that no autoscaler evicts its pod",
  },
];

/**
 * Says what the cluster's policies changed in a Job, by comparing what was sent with what would be stored. The
 * server's own defaults, and what a policy adds, are no changes. There is one change for each thing that would follow.
 */
export function policyChanges(sent: V1Job, stored: V1Job): PolicyChange[] {
  return RULES.flatMap(({ level, parts, staysAway = false, follows }) => {
    const changed = parts(sent).flatMap((path) => {
      const before = at(sent, path);
      const after = at(stored, path);
      const isSame = before === undefined ? !staysAway || after === undefined : isKept(before, after);
      return isSame ? [] : [`${inWords(path)} from ${shown(before)} to ${shown(after)}`];
    });
    return changed.length === 0 ? [] : [{ level, changed, follows }];
  });
}

/** The paths of those labels, or annotations, whose key is meant. */
function keys(sent: V1Job, path: Path, isMeant: (key: string) => boolean): Path[] {
  return Object.keys(at(sent, path) ?? {})
    .filter(isMeant)
    .map((key) => [...path, key]);
}

/** The paths of the message's variables and files in all containers. */
function inContainers(sent: V1Job): Path[] {
  const { containers = [], initContainers = [] } = sent.spec?.template.spec ?? {};
  return Object.entries({ initContainers, containers }).flatMap(([list, all]) =>
    all.flatMap(({ name, env = [] }): Path[] => {
      const container = [...POD, list, { named: name }];
      const variables = env.filter((variable) => isOwnEnv(variable.name));
      return [
        ...variables.map((variable) => [...container, "env", { named: variable.name }]),
        [...container, "volumeMounts", { named: MESSAGE_VOLUME }],
      ];
    }),
  );
}

function at(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof step === "object")
      value = Array.isArray(value) ? value.find((item) => isNamed(item, step.named)) : undefined;
    else value = isRecord(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}

function isNamed(item: unknown, name: string): boolean {
  return isRecord(item) && item["name"] === name;
}

/** Whether a value came back. The server may have added its defaults to it, and leaves out empty text. */
function isKept(before: unknown, after: unknown): boolean {
  if (after === undefined) return before === "";
  if (Array.isArray(before))
    return (
      Array.isArray(after) &&
      after.length === before.length &&
      before.every((item: unknown, index) => isKept(item, after[index]))
    );
  if (!isRecord(before)) return before === after;
  return isRecord(after) && Object.entries(before).every(([field, value]) => isKept(value, after[field]));
}

/** Writes a path as `spec.template.metadata.labels[ion/module]`. */
function inWords(path: Path): string {
  const isKey = (index: number) => path[index - 1] === "labels" || path[index - 1] === "annotations";
  return path
    .map((step, index) => (typeof step === "object" ? `[${step.named}]` : isKey(index) ? `[${step}]` : `.${step}`))
    .join("")
    .slice(1);
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : shortJson(value);
}
