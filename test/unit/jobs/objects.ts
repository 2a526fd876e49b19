import type { V1ContainerStatus, V1Job, V1JobCondition, V1Pod } from "@kubernetes/client-node";
import type { Module } from "../../../shared/modules/module.ts";
import type { PeekedMessage } from "../../../shared/run/message.ts";
import type { Run } from "../../../shared/run/run.ts";
import { aModule as anyModule } from "../../support/a-module.ts";
import { aRun as anyRun } from "../../support/a-run.ts";

export const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);

/** The shared builder's module, with limits and an image that Jobs are told by. */
export function aModule(over: Partial<Module> = {}): Module {
  return anyModule({
    maxRunningTimeMs: 600_000,
    work: { kind: "worker", worker: { image: "ghcr.io/acme/thumbnail:1.4" }, handler: undefined },
    ...over,
  });
}

/** The shared builder's run, before its Job is made. */
export function aRun(over: Partial<Run> = {}): Run {
  return anyRun({ status: "waiting", enqueuedAt: T0, acceptedAt: T0, notBefore: T0, ...over });
}

export function aMessage(over: Partial<PeekedMessage> = {}): PeekedMessage {
  return {
    state: "deferred",
    sequenceNumber: 42,
    enqueuedAt: T0,
    messageId: "m-1",
    body: Buffer.from('{"path":"a.png"}'),
    properties: {},
    ...over,
  };
}

/** A Job that failed, with its terminal condition as the Job controller writes it. */
export function aFailedJob(reason: string, message: string, status: V1Job["status"] = { failed: 1 }): V1Job {
  const condition = (type: string): V1JobCondition => ({
    type,
    status: "True",
    reason,
    message,
    lastTransitionTime: new Date(T0 + 60_000),
  });
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "thumbnail-x-16-1", creationTimestamp: new Date(T0) },
    status: { ...status, conditions: [condition("FailureTarget"), condition("Failed")] },
  };
}

export function aPod(
  over: { metadata?: V1Pod["metadata"]; spec?: V1Pod["spec"]; status?: V1Pod["status"] } = {},
): V1Pod {
  return {
    metadata: { name: "thumbnail-x-16-1-abcde", creationTimestamp: new Date(T0), ...over.metadata },
    spec: { containers: [{ name: "worker" }], activeDeadlineSeconds: 600, ...over.spec },
    status: { phase: "Failed", startTime: new Date(T0), ...over.status },
  };
}

export function terminated(
  name: string,
  exitCode: number,
  over: Partial<NonNullable<NonNullable<V1ContainerStatus["state"]>["terminated"]>> = {},
): V1ContainerStatus {
  const reason = exitCode === 0 ? "Completed" : "Error";
  const times = { startedAt: new Date(T0 + 1_000), finishedAt: new Date(T0 + 5_000) };
  return container(name, { terminated: { exitCode, reason, ...times, ...over } });
}

export function waiting(name: string, reason: string, message?: string): V1ContainerStatus {
  return container(name, { waiting: { reason, ...(message === undefined ? {} : { message }) } });
}

export function running(name: string): V1ContainerStatus {
  return container(name, { running: { startedAt: new Date(T0 + 1_000) } });
}

function container(name: string, state: NonNullable<V1ContainerStatus["state"]>): V1ContainerStatus {
  return { name, image: "img", imageID: "", ready: false, restartCount: 0, state };
}
