import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import type { V1DownwardAPIVolumeFile, V1Volume } from "@kubernetes/client-node";
import { podField } from "./downward-api.ts";
import type { Container, Pod, Wire } from "./wire.ts";

/** A volume that can't be mounted; its pod waits for it for ever, as on a real node. */
export class MountError extends Error {
  override readonly name = "MountError";
}

/** Makes the pod's volumes as directories under `directory`, by volume name. Throws MountError. */
export function makeVolumes(pod: Pod, directory: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const volume of pod.spec?.volumes ?? []) {
    const path = join(directory, volume.name);
    mkdirSync(path, { recursive: true });
    fillVolume(pod, volume, path);
    paths.set(volume.name, path);
  }
  return paths;
}

function fillVolume(pod: Pod, volume: Wire<V1Volume>, path: string): void {
  if (volume.emptyDir !== undefined) return;
  if (volume.downwardAPI !== undefined) {
    writeFields(pod, volume, volume.downwardAPI.items ?? [], path);
    return;
  }
  if (volume.projected !== undefined) {
    for (const source of volume.projected.sources ?? []) {
      if (source.downwardAPI === undefined) throw unsupported(volume.name, Object.keys(source)[0] ?? "projected");
      writeFields(pod, volume, source.downwardAPI.items ?? [], path);
    }
    return;
  }
  const secret = volume.secret;
  if (secret !== undefined) {
    if (secret.optional === true) return;
    throw new MountError(
      `MountVolume.SetUp failed for volume "${volume.name}" : secret "${secret.secretName}" not found`,
    );
  }
  const configMap = volume.configMap;
  if (configMap !== undefined) {
    if (configMap.optional === true) return;
    throw new MountError(
      `MountVolume.SetUp failed for volume "${volume.name}" : configmap "${configMap.name}" not found`,
    );
  }
  const kind = Object.keys(volume).find((key) => key !== "name");
  // A volume without a source is an emptyDir.
  if (kind !== undefined) throw unsupported(volume.name, kind);
}

function unsupported(name: string, kind: string): MountError {
  return new MountError(
    `MountVolume.SetUp failed for volume "${name}" : this local cluster has emptyDir and downwardAPI volumes only, not ${kind}; use a real cluster by --kubeconfig`,
  );
}

function writeFields(
  pod: Pod,
  volume: Wire<V1Volume>,
  items: readonly Wire<V1DownwardAPIVolumeFile>[],
  path: string,
): void {
  for (const item of items) {
    const file = resolve(path, item.path);
    if (!file.startsWith(path + sep))
      throw new MountError(`volume "${volume.name}": path "${item.path}" must not leave the volume`);
    const value = item.fieldRef === undefined ? undefined : podField(pod, item.fieldRef);
    if (value === undefined) {
      const field = item.fieldRef?.fieldPath ?? "resourceFieldRef";
      throw new MountError(`MountVolume.SetUp failed for volume "${volume.name}" : unsupported field ${field}`);
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, value);
  }
}

/**
 * The real path of what a container knows as `path`; undefined where it lies in none of its mounts. A process has no mounts of its own, so
 * its environment values and arguments that are such a path, or lie below one, are given the real one instead.
 */
export function makePathMapper(
  container: Container,
  volumes: ReadonlyMap<string, string>,
): (path: string) => string | undefined {
  const mounts = (container.volumeMounts ?? [])
    .map((mount) => ({
      from: mount.mountPath.replace(/\/+$/u, ""),
      to: join(volumes.get(mount.name) ?? "", mount.subPath ?? ""),
    }))
    // The innermost mount decides, as it does in a container.
    .toSorted((a, b) => b.from.length - a.from.length);
  return (path) => {
    const mount = mounts.find(({ from }) => path === from || path.startsWith(`${from}/`));
    return mount === undefined ? undefined : mount.to + path.slice(mount.from.length);
  };
}
