import type { V1ContainerState, V1Job, V1JobCondition, V1Pod } from "@kubernetes/client-node";
import type { FieldFault, JobListing, TrialOutcome } from "../../shared/ports/job-cluster.ts";

// These functions make the texts and statuses that a cluster writes into its objects.

export function nameOf(object: V1Job | V1Pod): string {
  return object.metadata?.name ?? "";
}

/** The one rule that the fake has for Jobs: every container has an image. */
export function refusalOf(job: V1Job): Extract<TrialOutcome, { kind: "refused" }> | undefined {
  const faults: FieldFault[] = (job.spec?.template.spec?.containers ?? []).flatMap(({ image }, index) =>
    image ? [] : { field: `spec.template.spec.containers[${index}].image`, message: "Required value" },
  );
  if (faults.length === 0) return undefined;
  const texts = faults.map(({ field, message }) => `${field}: ${message}`).join(", ");
  return { kind: "refused", message: `Job.batch "${nameOf(job)}" is invalid: ${texts}`, faults };
}

export function containers(pod: V1Pod) {
  return pod.spec?.containers ?? [];
}

/**
 * The statuses of all containers in one state, with the init containers over. With `only`, the named container is in
 * that state, and no later one has run. Sidecars run as long as the work, and fail at the end.
 */
export function statuses(pod: V1Pod, state: V1ContainerState, only?: string) {
  const over = { terminated: { exitCode: 0, reason: "Completed" } };
  const sidecar = state.terminated ? { terminated: { exitCode: 143, reason: "Error" } } : { running: {} };
  const init = (pod.spec?.initContainers ?? []).map(({ name, image = "", restartPolicy }) => ({
    ...blankStatus(name, image),
    state: name === only ? state : restartPolicy === "Always" ? sidecar : over,
  }));
  const main = containers(pod).map(({ name, image = "" }) => ({
    ...blankStatus(name, image),
    ready: state.running !== undefined,
    state: only === undefined ? state : { waiting: { reason: "PodInitializing" } },
  }));
  return { ...(init.length > 0 ? { initContainerStatuses: init } : {}), containerStatuses: main };
}

function blankStatus(name: string, image: string) {
  return { name, image, imageID: "", ready: false, restartCount: 0 };
}

export function setCondition(job: V1Job, type: string, reason: string, message: string, at: Date): void {
  const condition: V1JobCondition = {
    type,
    status: "True",
    reason,
    message,
    lastProbeTime: at,
    lastTransitionTime: at,
  };
  const others = (job.status?.conditions ?? []).filter((one) => one.type !== type);
  job.status = { ...job.status, conditions: [...others, condition] };
}

export function stateOf(job: V1Job): JobListing["state"] {
  const isTrue = (type: string): boolean =>
    job.status?.conditions?.some((one) => one.type === type && one.status === "True") === true;
  if (isTrue("Complete")) return "complete";
  if (isTrue("Failed")) return "failed";
  if (isTrue("Suspended")) return "suspended";
  return isTrue("FailureTarget") || isTrue("SuccessCriteriaMet") ? "terminating" : "active";
}

const isSidecar = (pod: V1Pod, name: string): boolean =>
  pod.spec?.initContainers?.some((one) => one.name === name && one.restartPolicy === "Always") === true;

/** How many of a pod's containers and sidecars are ready, and how many it has. */
export function readiness(pod: V1Pod): { ready: number; containers: number } {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const sidecars = initContainerStatuses.filter(({ name }) => isSidecar(pod, name));
  const all = [...sidecars, ...containerStatuses];
  return { ready: all.filter(({ state }) => state?.running).length, containers: all.length };
}

export function printedStatus(pod: V1Pod): string {
  const { initContainerStatuses = [], containerStatuses = [], phase = "Pending" } = pod.status ?? {};
  if (pod.metadata?.deletionTimestamp !== undefined) return "Terminating";
  const waiting = initContainerStatuses.find(({ state }) => state?.waiting)?.state?.waiting?.reason;
  if (waiting !== undefined && waiting !== "PodInitializing") return `Init:${waiting}`;
  const at = initContainerStatuses.findIndex(
    ({ name, state }) => !state?.terminated && !(isSidecar(pod, name) && state?.running),
  );
  if (at >= 0) return `Init:${at}/${initContainerStatuses.length}`;
  return containerStatuses.find(({ state }) => state?.waiting)?.state?.waiting?.reason ?? phase;
}
