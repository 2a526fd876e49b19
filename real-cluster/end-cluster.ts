import { removeCgroup } from "./cgroups.ts";
import { allRecords, type ClusterRecord, forget } from "./cluster-record.ts";
import { restoreKernelSettings } from "./kernel-settings.ts";
import { removeBridge } from "./network.ts";
import { isRunning, killProcesses, processesInMountNamespace } from "./server-process.ts";

/**
 * Ends a cluster: its processes by their ids and start times, its containers by their control group, its bridge, its
 * files. It kills at once, because nothing of the cluster is kept. Parts that are gone already are no failure. If a
 * part can't be ended, it throws and leaves the record.
 */
export async function endCluster(record: ClusterRecord, cacheRoot: string): Promise<void> {
  // First ends the two programs that start others.
  await killProcesses(record.processes.filter(({ name }) => name === "kubelet" || name === "containerd"));
  if (record.mountNamespace !== undefined) await emptyMountNamespace(record.mountNamespace);
  await removeCgroup(record.cgroup);
  await killProcesses(record.processes);
  await removeBridge(record.bridge);
  if (!(await isAnotherUp(record, cacheRoot))) await restoreKernelSettings(record.sysctls);
  await forget(record.directory);
}

/**
 * Kills containerd's shims, which have no parent here, and the processes that they start meanwhile. All mounts go with
 * the last of them.
 */
async function emptyMountNamespace(namespace: string): Promise<void> {
  // A look may miss a process whose parent forks it and ends while we look. So the last two looks have to find none.
  for (let foundNone = 0; foundNone < 2; ) {
    const left = processesInMountNamespace(namespace);
    foundNone = left.length === 0 ? foundNone + 1 : 0;
    await killProcesses(left);
  }
}

async function isAnotherUp(record: ClusterRecord, cacheRoot: string): Promise<boolean> {
  const records = await allRecords(cacheRoot);
  return records.some(({ directory, processes }) => directory !== record.directory && processes.some(isRunning));
}
