import { renameSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isRunning, ownProcessId } from "./server-process.ts";

/** A ProcessId, as it is written to a file. */
export const processId = z.object({ pid: z.int(), startTime: z.string() });

const record = z.object({
  name: z.string(),
  directory: z.string(),
  startedAt: z.string(),
  /** `starting` holds only as long as the process `by` runs. Once it is `up`, the cluster runs by itself. */
  stage: z.enum(["starting", "up"]),
  by: processId,
  /** Whether the cluster belongs to the process `by`, and ends with it. */
  isOwned: z.boolean(),
  kubeconfig: z.string(),
  gateway: z.string(),
  bridge: z.string(),
  cgroup: z.string(),
  /** The mount namespace of containerd and all processes that it and the kubelet start. Missing until it is made. */
  mountNamespace: z.string().optional(),
  processes: z.array(processId.extend({ name: z.string() })),
  /** The kernel's settings before the cluster. */
  sysctls: z.record(z.string(), z.string()),
});

/** Everything that a process needs to know to end a cluster that another process started. */
export type ClusterRecord = z.output<typeof record>;

/** The directory of the records and the data of running clusters. */
export function runRoot(cacheRoot: string): string {
  return join(cacheRoot, "run");
}

/** Takes a name for a new cluster by making its directory. False if the name is taken. */
export async function claim(directory: string): Promise<boolean> {
  await mkdir(join(directory, ".."), { recursive: true, mode: 0o700 });
  try {
    await mkdir(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Writes the whole record in one step and at once, because two parts may be started side by side. */
export function writeRecord(given: ClusterRecord): void {
  const file = join(given.directory, "cluster.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(given, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** The record of the cluster in a directory; undefined if there is none. Throws if it can't be understood. */
export async function readRecord(directory: string): Promise<ClusterRecord | undefined> {
  const file = join(directory, "cluster.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return record.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(
      `${file} is not the record of a cluster that this version can end. End the processes that it names by hand, then remove ${directory}.`,
      { cause: error },
    );
  }
}

/** Every recorded cluster, running or not. */
export async function allRecords(cacheRoot: string): Promise<ClusterRecord[]> {
  const names = await readdir(runRoot(cacheRoot)).catch(() => []);
  const records = await Promise.all(
    names.toSorted((a, b) => a.localeCompare(b)).map((name) => readRecord(join(runRoot(cacheRoot), name))),
  );
  return records.filter((found) => found !== undefined);
}

/** The record of the cluster that a kubeconfig file belongs to; undefined if no cluster here has that file. */
export async function recordOf(kubeconfig: string, cacheRoot: string): Promise<ClusterRecord | undefined> {
  return (await allRecords(cacheRoot)).find((record) => record.kubeconfig === kubeconfig);
}

/** Removes a cluster's directory, its record with it. */
export async function forget(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

/**
 * Whether no process needs the cluster any more, because the process that was starting it, or that owned it, is gone.
 */
export function isAbandoned(given: ClusterRecord): boolean {
  return (given.stage === "starting" || given.isOwned) && !isRunning(given.by) && given.by.pid !== ownProcessId().pid;
}
