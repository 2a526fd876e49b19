import type { Pod } from "../store/wire.ts";

/** A pod's status, as kubectl shows it: its phase, or the reason why its containers wait or ended. */
export function displayedPodStatus(pod: Pod): string {
  const { phase = "Pending", reason } = pod.status ?? {};
  const isGated = conditionOf(pod, "PodScheduled")?.reason === "SchedulingGated";
  const init = displayedInitStatus(pod);
  const base = init ?? (isGated ? "SchedulingGated" : (reason ?? phase));
  const shown = init === undefined || isTrue(pod, "Initialized") ? displayedContainersStatus(pod, base) : init;
  if (pod.metadata.deletionTimestamp === undefined) return shown;
  if (reason === "NodeLost") return "Unknown";
  return phase === "Succeeded" || phase === "Failed" ? shown : "Terminating";
}

function conditionOf(pod: Pod, type: string) {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

function isTrue(pod: Pod, type: string): boolean {
  return conditionOf(pod, type)?.status === "True";
}

function displayedInitStatus(pod: Pod): string | undefined {
  const specs = pod.spec?.initContainers ?? [];
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const { state } = container;
    const isSidecar = specs.find(({ name }) => name === container.name)?.restartPolicy === "Always";
    if (state?.terminated?.exitCode === 0) continue;
    if (isSidecar && container.started === true) continue;
    if (state?.terminated !== undefined)
      return `Init:${state.terminated.reason ?? `ExitCode:${state.terminated.exitCode}`}`;
    const waiting = state?.waiting?.reason;
    if (waiting !== undefined && waiting !== "PodInitializing") return `Init:${waiting}`;
    return `Init:${index}/${specs.length}`;
  }
  return undefined;
}

function displayedContainersStatus(pod: Pod, base: string): string {
  let shown = base;
  let isRunning = false;
  let error: string | undefined;
  for (const { state, ready } of (pod.status?.containerStatuses ?? []).toReversed()) {
    if (state?.waiting?.reason !== undefined) shown = state.waiting.reason;
    else if (state?.terminated !== undefined) {
      shown = state.terminated.reason ?? `ExitCode:${state.terminated.exitCode}`;
      if (state.terminated.exitCode !== 0) error = shown;
    } else if (ready && state?.running !== undefined) isRunning = true;
  }
  if (shown !== "Completed") return shown;
  if (isRunning && isTrue(pod, "Ready")) return "Running";
  return error ?? (isRunning ? "NotReady" : shown);
}

/** The readiness, such as `1/2`: containers that are ready, of all that count. */
export function displayedReadiness(pod: Pod): string {
  const sidecars = (pod.spec?.initContainers ?? [])
    .filter(({ restartPolicy }) => restartPolicy === "Always")
    .map(({ name }) => name);
  const statuses = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.includes(name)),
  ];
  const ready = statuses.filter((container) => container.ready).length;
  return `${ready}/${(pod.spec?.containers.length ?? 0) + sidecars.length}`;
}
