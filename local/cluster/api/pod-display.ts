import type { ContainerStatus, Pod } from "../store/wire.ts";

/** A pod's status, as kubectl shows it: its phase, or the reason why its containers wait or ended. */
export function displayedPodStatus(pod: Pod): string {
  const { status } = pod;
  const base = status?.reason ?? status?.phase ?? "Pending";
  const init = displayedInitStatus(pod);
  const shown = init ?? displayedContainersStatus(status?.containerStatuses ?? [], base);
  return pod.metadata.deletionTimestamp === undefined ? shown : "Terminating";
}

function displayedInitStatus(pod: Pod): string | undefined {
  const specs = pod.spec?.initContainers ?? [];
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const { state } = container;
    const isSidecar = specs.find(({ name }) => name === container.name)?.restartPolicy === "Always";
    if (state?.terminated?.exitCode === 0) continue;
    if (isSidecar && state?.running !== undefined) continue;
    if (state?.terminated !== undefined)
      return `Init:${state.terminated.reason ?? `ExitCode:${state.terminated.exitCode}`}`;
    const waiting = state?.waiting?.reason;
    if (waiting !== undefined && waiting !== "PodInitializing") return `Init:${waiting}`;
    return `Init:${index}/${specs.length}`;
  }
  return undefined;
}

function displayedContainersStatus(statuses: readonly ContainerStatus[], base: string): string {
  let shown = base;
  let isRunning = false;
  for (const { state, ready } of statuses.toReversed()) {
    if (state?.waiting?.reason !== undefined) shown = state.waiting.reason;
    else if (state?.terminated !== undefined)
      shown = state.terminated.reason ?? `ExitCode:${state.terminated.exitCode}`;
    else if (ready && state?.running !== undefined) isRunning = true;
  }
  // One container has ended, and another one still runs.
  return shown === "Completed" && isRunning ? "Running" : shown;
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
