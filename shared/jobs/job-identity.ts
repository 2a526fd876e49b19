import type { V1Job } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import { type Source, sourceIn, sourceKey } from "../run/source.ts";

/** The labels of our Jobs and their pods. Selectors use them, and none ever holds a sender's text. */
export const LABELS = {
  managedBy: "app.kubernetes.io/managed-by",
  instance: "app.kubernetes.io/instance",
  module: "ion/module",
  attempt: "ion/attempt",
  /** `true` once the attempt is over, and the Job only keeps its name taken. */
  retired: "ion/retired",
  /** `true` if a person wants the run cancelled. */
  cancel: "ion/cancel",
} as const;

/** The value of the label `managedBy`. */
export const MANAGED_BY = "dispatcher";

/**
 * The annotations on a Job's own metadata. They suffice to find the run again if its row is lost, and are small because
 * they are in every list.
 */
const ANNOTATIONS = {
  runId: "ion/run-id",
  source: "ion/source",
  sequenceNumber: "ion/sequence-number",
  enqueuedAt: "ion/enqueued-ms",
  /**
   * In place of `source`, on the Jobs of a redriven run: a release that knows no redrives must not take them for
   * others.
   */
  letterSource: "ion/letter-source",
  redrive: "ion/redrive",
} as const;

/** Whether a label or annotation of this key is the Dispatcher's, and no module may set it. */
export function isOwnKey(key: string): boolean {
  return key.startsWith("ion/") || key === LABELS.managedBy || key === LABELS.instance;
}

/** Which attempt of which run a Job is. */
export interface JobIdentity {
  readonly key: RunKey;
  readonly attempt: number;
  readonly module: string;
}

/** Gives the labels of a run's Job and its pod. */
export function identityLabels(instance: string, run: Pick<Run, "module" | "attempt">): Record<string, string> {
  return {
    [LABELS.managedBy]: MANAGED_BY,
    [LABELS.instance]: instance,
    [LABELS.module]: run.module,
    [LABELS.attempt]: String(run.attempt),
  };
}

/** Gives the annotations from which `readJobIdentity` finds the run again. */
export function identityAnnotations(key: RunKey): Record<string, string> {
  const source = JSON.stringify(key.source);
  return {
    [ANNOTATIONS.runId]: runId(key),
    ...(key.redrive === undefined
      ? { [ANNOTATIONS.source]: source }
      : { [ANNOTATIONS.letterSource]: source, [ANNOTATIONS.redrive]: String(key.redrive) }),
    [ANNOTATIONS.sequenceNumber]: String(key.sequenceNumber),
    [ANNOTATIONS.enqueuedAt]: String(key.enqueuedAt),
  };
}

/**
 * Reads which attempt a Job belongs to. Undefined if no Dispatcher made the Job, or if a person edited its labels or
 * annotations.
 */
export function readJobIdentity(job: V1Job): JobIdentity | undefined {
  const labels = job.metadata?.labels ?? {};
  const annotations = job.metadata?.annotations ?? {};
  const module = labels[LABELS.module];
  const redrive = parseWhole(annotations[ANNOTATIONS.redrive]);
  const source = parseSource(annotations[redrive === undefined ? ANNOTATIONS.source : ANNOTATIONS.letterSource]);
  const sequenceNumber = parseWhole(annotations[ANNOTATIONS.sequenceNumber]);
  const enqueuedAt = parseWhole(annotations[ANNOTATIONS.enqueuedAt]);
  const attempt = parseWhole(labels[LABELS.attempt]);
  if (labels[LABELS.managedBy] !== MANAGED_BY || module === undefined || source === undefined) return undefined;
  if (sequenceNumber === undefined || enqueuedAt === undefined || attempt === undefined) return undefined;
  return {
    key: { source, sequenceNumber, enqueuedAt, ...(redrive === undefined ? {} : { redrive }) },
    attempt,
    module,
  };
}

/** Whether this is the Job of exactly this attempt, made by this instance. */
export function isOurs(job: V1Job, instance: string, key: RunKey, attempt: number): boolean {
  const identity = readJobIdentity(job);
  return (
    identity !== undefined &&
    job.metadata?.labels?.[LABELS.instance] === instance &&
    identity.attempt === attempt &&
    identity.key.sequenceNumber === key.sequenceNumber &&
    identity.key.enqueuedAt === key.enqueuedAt &&
    identity.key.redrive === key.redrive &&
    sourceKey(identity.key.source) === sourceKey(key.source)
  );
}

/** What a row records of an existing Job. */
export function recordOf({ metadata }: V1Job): { name: string; uid: string; createdAt?: EpochMs } {
  const { name = "", uid = "", creationTimestamp } = metadata ?? {};
  return { name, uid, ...(creationTimestamp ? { createdAt: new Date(creationTimestamp).getTime() } : {}) };
}

/** Whether the attempt is over and its logs are stored or given up, so that the Job only keeps its name taken. */
export function isRetired(job: V1Job): boolean {
  return job.metadata?.labels?.[LABELS.retired] === "true";
}

/** Whether a person labelled a Job so that its run is cancelled. */
export function isCancelLabelled({ metadata }: V1Job): boolean {
  return metadata?.labels?.[LABELS.cancel] === "true";
}

/**
 * Reads when the Job finished, in ms; undefined while it has not. Only `Complete` and `Failed` count, because
 * `SuccessCriteriaMet` and `FailureTarget` come while pods still run.
 */
export function finishedAt(job: V1Job): EpochMs | undefined {
  // guard: terminal-conditions, finish
  const terminal = (job.status?.conditions ?? []).find(
    ({ type, status }) => status === "True" && (type === "Complete" || type === "Failed"),
  );
  if (!terminal) return undefined;
  const at = terminal.lastTransitionTime ?? job.status?.completionTime ?? job.metadata?.creationTimestamp;
  return at === undefined ? 0 : new Date(at).getTime();
}

function parseWhole(text: string | undefined): number | undefined {
  // The API server's answer is only shape-checked, so this may not be a string.
  if (typeof text !== "string" || !/^\d{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

function parseSource(text: string | undefined): Source | undefined {
  try {
    return sourceIn(JSON.parse(text ?? ""));
  } catch {
    // A person edited the annotation.
    return undefined;
  }
}
