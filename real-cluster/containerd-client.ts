import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Binaries } from "./binaries.ts";
import type { ClusterRecord } from "./cluster-record.ts";

const run = promisify(execFile);

/** The socket of containerd, as containerd itself and the kubelet see it. */
export const SOCKET = "/run/containerd/containerd.sock";
const OVERLAY_MAGIC = 0x794c7630;

/** The beginning of a command line. The command that is added to it runs in containerd's mount namespace. */
export function insideNode(record: ClusterRecord): string[] {
  const containerd = record.processes.find(({ name }) => name === "containerd");
  if (!containerd) throw new Error(`cluster ${record.name} has no containerd yet. Wait until it is up`);
  return ["nsenter", `--mount=/proc/${containerd.pid}/ns/mnt`, "--"];
}

/**
 * How containerd keeps containers' files. `native` is for a directory that is itself an overlay, because an overlay
 * can't lie on another one.
 */
export async function snapshotterFor({ directory }: ClusterRecord): Promise<"native" | "overlayfs"> {
  return (await statfs(directory)).type === OVERLAY_MAGIC ? "native" : "overlayfs";
}

/** Whether containerd answers. Rejects if it doesn't. */
export async function isAnswering(record: ClusterRecord, binaries: Binaries): Promise<boolean> {
  await control(record, binaries, ["version"], 5_000);
  return true;
}

/** Gives the node the images of an archive in the OCI layout. */
export async function importImages(record: ClusterRecord, binaries: Binaries, archive: Buffer): Promise<void> {
  const file = join(record.directory, "node", `images-${randomUUID()}.tar`);
  await writeFile(file, archive);
  const snapshotter = await snapshotterFor(record);
  try {
    await control(record, binaries, ["images", "import", "--local", "--snapshotter", snapshotter, file]);
  } finally {
    await rm(file);
  }
}

/**
 * Kills the first process of a container, as a crash would. `containerId` is the id in the pod's status, without its
 * scheme.
 */
export async function killContainer(record: ClusterRecord, binaries: Binaries, containerId: string): Promise<void> {
  await control(record, binaries, ["tasks", "kill", "--signal", "SIGKILL", containerId]);
}

/** Runs containerd's own client. */
async function control(record: ClusterRecord, binaries: Binaries, args: readonly string[], timeout = 0) {
  const client = [binaries["ctr"] ?? "ctr", "--address", SOCKET, "--namespace", "k8s.io"];
  const [file = "", ...rest] = [...insideNode(record), ...client, ...args];
  await run(file, rest, { timeout });
}
