import type { V1PodCondition, V1PodStatus } from "@kubernetes/client-node";
import { type ContainerStatus, timestamp, type Wire } from "../store/wire.ts";
import type { ContainerRun } from "./container-run.ts";

export interface PodProgress {
  readonly containers: readonly ContainerRun[];
  readonly startTime: string | undefined;
  /** Set once the pod is over. */
  readonly end:
    | { readonly phase: "Succeeded" | "Failed"; readonly reason?: string; readonly message?: string }
    | undefined;
}

/** The status that a node would report. Conditions that did not change keep their time from `previous`. */
export function podStatus(progress: PodProgress, previous: Wire<V1PodStatus> | undefined): Wire<V1PodStatus> {
  const { containers, startTime, end } = progress;
  const init = containers.filter((run) => run.isInit);
  const main = containers.filter((run) => !run.isInit);
  const isInitialized = init.every(isInitDone);
  const isReady = end === undefined && isInitialized && containers.every((run) => isReadyRun(run));
  const isStarted = isInitialized && main.every((run) => run.state.waiting === undefined);
  return {
    phase: end?.phase ?? (isStarted ? "Running" : "Pending"),
    ...(end?.reason === undefined ? {} : { reason: end.reason }),
    ...(end?.message === undefined ? {} : { message: end.message }),
    conditions: conditions(previous, isInitialized, isReady, end?.phase),
    ...(startTime === undefined ? {} : { startTime, hostIP: "127.0.0.1", podIP: "127.0.0.1" }),
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map(containerStatus) }),
    containerStatuses: main.map(containerStatus),
    qosClass: "BestEffort",
  };
}

/** Whether an init container lets the containers after it begin. */
export function isInitDone(run: ContainerRun): boolean {
  if (run.isSidecar) return run.state.running !== undefined || run.isEnded;
  return run.state.terminated?.exitCode === 0;
}

function isReadyRun(run: ContainerRun): boolean {
  return run.state.running !== undefined || (run.isInit && !run.isSidecar && run.state.terminated?.exitCode === 0);
}

function containerStatus(run: ContainerRun): ContainerStatus {
  const image = run.spec.image ?? "";
  const isRunning = run.state.running !== undefined;
  return {
    name: run.spec.name,
    image,
    imageID: "",
    ready: isReadyRun(run),
    started: isRunning,
    restartCount: run.restartCount,
    state: run.state,
    lastState: {},
  };
}

function conditions(
  previous: Wire<V1PodStatus> | undefined,
  isInitialized: boolean,
  isReady: boolean,
  endPhase: "Succeeded" | "Failed" | undefined,
): Wire<V1PodCondition>[] {
  const known = previous?.conditions ?? [];
  const reason =
    endPhase === undefined ? "ContainersNotReady" : endPhase === "Succeeded" ? "PodCompleted" : "PodFailed";
  const wanted: Wire<V1PodCondition>[] = [
    condition("PodScheduled", true, undefined),
    condition("Initialized", isInitialized, "ContainersNotInitialized"),
    condition("ContainersReady", isReady, reason),
    condition("Ready", isReady, reason),
  ];
  const others = known.filter(({ type }) => !wanted.some((next) => next.type === type));
  return [...wanted.map((next) => withChangeTime(next, known)), ...others];
}

function condition(type: string, holds: boolean, reason: string | undefined): Wire<V1PodCondition> {
  return { type, status: holds ? "True" : "False", ...(holds || reason === undefined ? {} : { reason }) };
}

function withChangeTime(next: Wire<V1PodCondition>, known: readonly Wire<V1PodCondition>[]): Wire<V1PodCondition> {
  const before = known.find(({ type, status }) => type === next.type && status === next.status);
  return { ...next, lastTransitionTime: before?.lastTransitionTime ?? timestamp() };
}
