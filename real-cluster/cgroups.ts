import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asProcesses, eventually, killProcesses } from "./server-process.ts";

/**
 * Makes a control group of this name in every hierarchy of the machine, version 1 or 2. All containers of a cluster are
 * below it, so they can be found there whichever process started them.
 */
export async function makeCgroup(name: string): Promise<void> {
  for (const hierarchy of hierarchies()) {
    await delegate(hierarchy);
    await mkdir(join(hierarchy, name), { recursive: true });
    await delegate(join(hierarchy, name));
  }
}

/**
 * Kills every process in the control group of this name, or below it, and removes the group. Throws if that does not
 * work within ten seconds.
 */
export async function removeCgroup(name: string): Promise<void> {
  const directories = hierarchies()
    .map((hierarchy) => join(hierarchy, name))
    .filter(existsSync);
  const removed = await eventually(10_000, async () => {
    // Kills again and again, because a process that is about to be killed may just be starting another.
    await killProcesses(asProcesses(directories.flatMap(below).flatMap(members)));
    for (const directory of directories.flatMap(below)) await rmdir(directory).catch(() => {});
    return !directories.some(existsSync);
  });
  if (!removed)
    throw new Error(
      `the control groups ${directories.join(", ")} can't be removed. End the processes in them, then try again`,
    );
}

/** A directory and all below it, the deepest first. */
function below(directory: string): string[] {
  try {
    const inside = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...inside.flatMap((entry) => below(join(directory, entry.name))), directory];
  } catch {
    return [];
  }
}

function members(directory: string): number[] {
  try {
    return readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function hierarchies(): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n");
  const points = mounts.filter((line) => / - cgroup2? /.test(line)).flatMap((line) => line.split(" ")[4] ?? []);
  return [...new Set(points)];
}

/** Lends the group's controllers to the groups below it. Version 2 needs that; version 1 has no such file. */
async function delegate(directory: string): Promise<void> {
  const control = join(directory, "cgroup.subtree_control");
  if (!existsSync(control)) return;
  const controllers = readFileSync(join(directory, "cgroup.controllers"), "utf8").trim().split(" ").filter(Boolean);
  // If a controller can't be lent, the kubelet misses it and says so.
  for (const controller of controllers) await writeFile(control, `+${controller}`).catch(() => {});
}
