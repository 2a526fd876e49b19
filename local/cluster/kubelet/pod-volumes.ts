import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import type { V1DownwardAPIVolumeFile, V1KeyToPath, V1Volume } from "@kubernetes/client-node";
import type { ConfigKind, ReadConfig } from "../store/config-data.ts";
import type { Container, Pod, Wire } from "../store/wire.ts";
import { podField } from "./downward-api.ts";

/** A volume that can't be mounted. Its pod waits for it for ever, as on a real node. */
export class MountError extends Error {
  override readonly name = "MountError";
}

/** Makes the pod's volumes as directories under `directory`, by volume name. Throws MountError. */
export function makeVolumes(pod: Pod, directory: string, readConfig: ReadConfig): Map<string, string> {
  const paths = new Map<string, string>();
  for (const volume of pod.spec?.volumes ?? []) {
    const path = join(directory, volume.name);
    mkdirSync(path, { recursive: true });
    fillVolume(pod, volume, path, readConfig);
    paths.set(volume.name, path);
  }
  return paths;
}

function fillVolume(pod: Pod, volume: Wire<V1Volume>, path: string, readConfig: ReadConfig): void {
  if (volume.emptyDir !== undefined) return;
  if (volume.downwardAPI !== undefined) {
    writeFields(pod, volume, volume.downwardAPI.items ?? [], path);
    return;
  }
  if (volume.projected !== undefined) {
    for (const source of volume.projected.sources ?? []) {
      const { downwardAPI, secret, configMap } = source;
      if (downwardAPI !== undefined) writeFields(pod, volume, downwardAPI.items ?? [], path);
      else if (secret !== undefined) writeConfig(volume, { kind: "secret", ...secret }, path, readConfig);
      else if (configMap !== undefined) writeConfig(volume, { kind: "configmap", ...configMap }, path, readConfig);
      else throw unsupported(volume.name, Object.keys(source)[0] ?? "projected");
    }
    return;
  }
  const { secret, configMap } = volume;
  if (secret !== undefined) {
    writeConfig(volume, { kind: "secret", name: secret.secretName ?? "", ...secret }, path, readConfig);
    return;
  }
  if (configMap !== undefined) {
    writeConfig(volume, { kind: "configmap", ...configMap }, path, readConfig);
    return;
  }
  const kind = Object.keys(volume).find((key) => key !== "name");
  // A volume without a source is an emptyDir.
  if (kind !== undefined) throw unsupported(volume.name, kind);
}

function unsupported(name: string, kind: string): MountError {
  return new MountError(
    `MountVolume.SetUp failed for volume "${name}" : this local cluster has only emptyDir, downwardAPI, secret and configMap volumes, not ${kind}. Use a real cluster with --kubeconfig`,
  );
}

function writeFields(
  pod: Pod,
  volume: Wire<V1Volume>,
  items: readonly Wire<V1DownwardAPIVolumeFile>[],
  path: string,
): void {
  for (const item of items) {
    const value = item.fieldRef === undefined ? undefined : podField(pod, item.fieldRef);
    if (value === undefined) {
      const field = item.fieldRef?.fieldPath ?? "resourceFieldRef";
      throw new MountError(`MountVolume.SetUp failed for volume "${volume.name}" : unsupported field ${field}`);
    }
    writeInto(volume, path, item.path, value);
  }
}

/** Names a Secret or ConfigMap, and its keys. */
interface ConfigReference {
  readonly kind: ConfigKind;
  readonly name?: string;
  readonly optional?: boolean;
  /** The keys to mount. Without any, all keys are mounted under their own names. */
  readonly items?: readonly Wire<V1KeyToPath>[];
}

function writeConfig(volume: Wire<V1Volume>, reference: ConfigReference, path: string, readConfig: ReadConfig): void {
  const { kind, name = "", optional } = reference;
  const failed = `MountVolume.SetUp failed for volume "${volume.name}" : `;
  const held = readConfig(kind, name);
  if (held === undefined && optional !== true) throw new MountError(`${failed}${kind} "${name}" not found`);
  const { items = [] } = reference;
  const all = [...(held?.keys() ?? [])].map((key) => ({ key, path: key }));
  for (const item of items.length > 0 ? items : all) {
    const value = held?.get(item.key);
    if (value !== undefined) writeInto(volume, path, item.path, value);
    else if (optional !== true) {
      const which = kind === "secret" ? "secret" : "config";
      throw new MountError(`${failed}references non-existent ${which} key: ${item.key}`);
    }
  }
}

function writeInto(volume: Wire<V1Volume>, directory: string, path: string, value: string | Buffer): void {
  const file = resolve(directory, path);
  if (!file.startsWith(directory + sep))
    throw new MountError(`volume "${volume.name}": path "${path}" must not leave the volume`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, value);
}

/**
 * Maps a path in a container to the real path, or to undefined if it lies in none of the container's mounts. A process
 * has no mounts of its own, so environment values and arguments that are such a path, or lie below one, are replaced by
 * the real one.
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
    // The innermost mount decides, as in a container.
    .toSorted((a, b) => b.from.length - a.from.length);
  return (path) => {
    const mount = mounts.find(({ from }) => path === from || path.startsWith(`${from}/`));
    return mount === undefined ? undefined : mount.to + path.slice(mount.from.length);
  };
}
