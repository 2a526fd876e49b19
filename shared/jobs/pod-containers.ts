import { stripVTControlCharacters } from "node:util";
import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";

/**
 * Gives the statuses of the containers that do the work, in the order in which they run: init containers, then the
 * rest. Sidecars (init containers that restart `Always`) are left out, because their end says nothing about the work.
 */
export function workContainers(pod: V1Pod): V1ContainerStatus[] {
  const sidecars = new Set(
    (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always").map(({ name }) => name),
  );
  const inits = (pod.status?.initContainerStatuses ?? []).filter(({ name }) => !sidecars.has(name));
  return [...inits, ...(pod.status?.containerStatuses ?? [])];
}

/** Gives the statuses of all containers, sidecars included, in the order in which they start. */
export function allContainers(pod: V1Pod): V1ContainerStatus[] {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
}

/** Names the containers that have a log, sidecars included, in the order in which they start. */
export function startedContainers(pod: V1Pod): string[] {
  return allContainers(pod)
    .filter(({ state }) => state?.running ?? state?.terminated)
    .map(({ name }) => name);
}

/**
 * Whether any of the work's containers ever ran. A kubelet that ends a pod reports containers that never ran as
 * terminated too, but without a start.
 */
export function hasStarted(pod: V1Pod): boolean {
  return workContainers(pod).some(({ state }) => state?.running !== undefined || hasDate(state?.terminated?.startedAt));
}

function hasDate(date: Date | undefined): boolean {
  return date !== undefined && date !== null && new Date(date).getTime() > 0;
}

/**
 * Finds the last line of a log or message that is not empty. Removes control characters, and cuts the line to 300
 * characters.
 */
export function lastLine(text: string | undefined): string | undefined {
  const lines = (text ?? "").split(/[\r\n]+/).map(plain);
  const line = lines.findLast((candidate) => candidate !== "");
  return line && line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function plain(line: string): string {
  return stripVTControlCharacters(line)
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim();
}
