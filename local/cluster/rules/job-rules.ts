import { isDeepStrictEqual } from "node:util";
import type { V1JobSpec, V1PodFailurePolicy } from "@kubernetes/client-node";
import { invalid, type Resource } from "../api/api-status.ts";
import { NO_IMAGES } from "../kubelet/image-name.ts";
import type { Job, Wire } from "../store/wire.ts";
import { checkAnnotations, checkInteger, checkLabels, checkSubdomain, Faults } from "./field-faults.ts";
import { checkPodTemplate } from "./pod-template-rules.ts";

export const JOBS: Resource = { group: "batch", plural: "jobs", kind: "Job" };

/** Throws 422 with every fault of a new Job. */
export function checkNewJob(job: Job): void {
  const faults = new Faults();
  if (job.metadata.name === "") faults.required("metadata.name", "name or generateName is required");
  else checkSubdomain(faults, "metadata.name", job.metadata.name, 63);
  checkMetadata(faults, job);
  checkPodTemplate(faults, job.spec?.template);
  checkNumbers(faults, job.spec);
  checkOnePod(faults, job.spec);
  if (job.spec?.podFailurePolicy !== undefined) checkPodFailurePolicy(faults, job.spec.podFailurePolicy, job.spec);
  if (faults.list.length > 0) throw invalid(JOBS, job.metadata.name, faults.list);
}

/** Throws 422 if a container has no command, because this cluster has no images that would name one. */
export function checkCommands(job: Job): void {
  const faults = new Faults();
  for (const kind of ["initContainers", "containers"] as const)
    for (const [index, { command = [] }] of (job.spec?.template.spec?.[kind] ?? []).entries())
      if (command.length === 0) faults.required(`spec.template.spec.${kind}[${index}].command`, NO_IMAGES);
  if (faults.list.length > 0) throw invalid(JOBS, job.metadata.name, faults.list);
}

/** The fields of the spec that may change after creation. Labels and annotations may change, too. */
const MUTABLE = ["suspend", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "parallelism"] as const;

/** Throws 422 if the next state of a Job is wrong or changes a field that can't be changed. */
export function checkJobUpdate(previous: Job, next: Job): void {
  const faults = new Faults();
  checkMetadata(faults, next);
  checkNumbers(faults, next.spec);
  checkOnePod(faults, next.spec);
  const before: Record<string, unknown> = { ...previous.spec };
  const after: Record<string, unknown> = { ...next.spec };
  const isSuspended = previous.spec?.suspend === true && previous.status?.startTime === undefined;
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const isMutable = MUTABLE.some((field) => field === key) || (key === "template" && isSuspended);
    if (!isMutable && !isDeepStrictEqual(before[key], after[key]))
      faults.invalid(`spec.${key}`, after[key], "field is immutable");
  }
  if (isSuspended) checkPodTemplate(faults, next.spec?.template);
  if (faults.list.length > 0) throw invalid(JOBS, previous.metadata.name, faults.list);
}

function checkMetadata(faults: Faults, job: Job): void {
  checkLabels(faults, "metadata.labels", job.metadata.labels);
  checkAnnotations(faults, "metadata.annotations", job.metadata.annotations);
}

function checkNumbers(faults: Faults, spec: Wire<V1JobSpec> | undefined): void {
  for (const field of [
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "parallelism",
    "completions",
  ] as const) {
    checkInteger(faults, `spec.${field}`, spec?.[field], 0);
  }
}

function checkOnePod(faults: Faults, spec: Wire<V1JobSpec> | undefined): void {
  for (const field of ["completions", "parallelism"] as const) {
    const value = spec?.[field] ?? 1;
    if (value > 1)
      faults.invalid(
        `spec.${field}`,
        value,
        "this local cluster runs one pod per Job. Use a real cluster with --kubeconfig",
      );
  }
}

function checkPodFailurePolicy(faults: Faults, policy: Wire<V1PodFailurePolicy>, spec: Wire<V1JobSpec>): void {
  const at = "spec.podFailurePolicy";
  if (spec.template.spec?.restartPolicy !== "Never") {
    faults.invalid(at, policy, `only supported when template.restartPolicy="Never"`);
  }
  const rules = policy.rules ?? [];
  if (rules.length > 20) faults.tooMany(`${at}.rules`, rules.length, 20);
  for (const [index, rule] of rules.entries()) {
    const field = `${at}.rules[${index}]`;
    if (!["FailJob", "Ignore", "Count"].includes(rule.action)) {
      faults.notSupported(`${field}.action`, rule.action, ["Count", "FailIndex", "FailJob", "Ignore"]);
    }
    const hasCodes = rule.onExitCodes !== undefined;
    if (hasCodes === (rule.onPodConditions !== undefined && rule.onPodConditions.length > 0)) {
      faults.invalid(
        field,
        rule,
        "specifying one of OnExitCodes and OnPodConditions is required, and both is not supported",
      );
    }
    if (rule.onExitCodes !== undefined) checkExitCodes(faults, `${field}.onExitCodes`, rule.onExitCodes);
  }
}

function checkExitCodes(faults: Faults, at: string, requirement: { operator?: string; values?: number[] }): void {
  const { operator = "", values = [] } = requirement;
  if (operator !== "In" && operator !== "NotIn") faults.notSupported(`${at}.operator`, operator, ["In", "NotIn"]);
  if (values.length === 0) faults.invalid(`${at}.values`, values, "at least one value is required");
  if (values.length > 255) faults.tooMany(`${at}.values`, values.length, 255);
  for (const [index, value] of values.entries()) {
    const previous = values[index - 1];
    if (operator === "In" && value === 0)
      faults.invalid(`${at}.values[${index}]`, value, "must not be 0 for the In operator");
    if (values.indexOf(value) < index) faults.duplicate(`${at}.values[${index}]`, value);
    else if (previous !== undefined && previous > value) {
      faults.invalid(`${at}.values`, values, "must be ordered");
      break;
    }
  }
}
