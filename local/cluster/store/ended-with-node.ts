import { type ContainerStatus, type Pod, timestamp } from "./wire.ts";

const MESSAGE = "Pod was terminated because the local cluster was ended.";

/**
 * The pod as a cluster shows it whose node was shut down: what ran was ended from outside, and its Job counts that as a
 * disruption. A pod that was over is as it was.
 */
export function endedWithNode(pod: Pod): Pod {
  const { status = {} } = pod;
  if (status.phase === "Succeeded" || status.phase === "Failed") return pod;
  const now = timestamp();
  const told = { type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet", message: MESSAGE };
  const others = (status.conditions ?? []).filter(
    ({ type }) => !["Ready", "ContainersReady", told.type].includes(type),
  );
  const notReady = ["ContainersReady", "Ready"].map((type) => ({ type, status: "False", reason: "PodFailed" }));
  const ended = (one: ContainerStatus): ContainerStatus => {
    if (one.state?.running === undefined) return one;
    const terminated = { exitCode: 137, reason: "Error", finishedAt: now, ...one.state.running };
    return { ...one, ready: false, started: false, state: { terminated } };
  };
  return {
    ...pod,
    status: {
      ...status,
      phase: "Failed",
      reason: "Terminated",
      message: MESSAGE,
      conditions: [...others, ...[...notReady, told].map((one) => ({ ...one, lastTransitionTime: now }))],
      ...(status.initContainerStatuses && { initContainerStatuses: status.initContainerStatuses.map(ended) }),
      containerStatuses: (status.containerStatuses ?? []).map(ended),
    },
  };
}
