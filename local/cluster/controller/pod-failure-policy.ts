import type { V1PodFailurePolicyOnExitCodesRequirement, V1PodFailurePolicyRule } from "@kubernetes/client-node";
import type { ContainerStatus, Job, Pod, Wire } from "../store/wire.ts";

export type FailureAction =
  | { readonly kind: "count" }
  | { readonly kind: "ignore" }
  | { readonly kind: "failJob"; readonly message: string };

/**
 * What a Job's failure policy says about a pod that failed. The first rule that matches decides; without one, the
 * failure counts.
 */
export function judgePodFailure(job: Job, pod: Pod): FailureAction {
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const match = rule.onExitCodes === undefined ? matchConditions(rule, pod) : matchExitCodes(rule.onExitCodes, pod);
    if (match === undefined) continue;
    if (rule.action === "Ignore") return { kind: "ignore" };
    if (rule.action !== "FailJob") return { kind: "count" };
    return { kind: "failJob", message: `${match} matching FailJob rule at index ${index}` };
  }
  return { kind: "count" };
}

function matchExitCodes(requirement: Wire<V1PodFailurePolicyOnExitCodesRequirement>, pod: Pod): string | undefined {
  const statuses: ContainerStatus[] = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
  ];
  for (const { name, state } of statuses) {
    const exitCode = state?.terminated?.exitCode ?? 0;
    if (exitCode === 0 || (requirement.containerName !== undefined && requirement.containerName !== name)) continue;
    if (requirement.values.includes(exitCode) === (requirement.operator === "In")) {
      return `Container ${name} for pod ${pod.metadata.namespace}/${pod.metadata.name} failed with exit code ${exitCode}`;
    }
  }
  return undefined;
}

function matchConditions(rule: Wire<V1PodFailurePolicyRule>, pod: Pod): string | undefined {
  for (const pattern of rule.onPodConditions ?? []) {
    const wanted = pattern.status ?? "True";
    const found = pod.status?.conditions?.find(({ type, status }) => type === pattern.type && status === wanted);
    if (found !== undefined) return `Pod ${pod.metadata.namespace}/${pod.metadata.name} has condition ${pattern.type}`;
  }
  return undefined;
}
