import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { killLeftProcesses } from "./kubelet/left-processes.ts";
import type { ClusterState } from "./store/cluster-state.ts";
import { endedWithNode } from "./store/ended-with-node.ts";
import { keepObjects, readObjects } from "./store/object-log.ts";
import type { Pod } from "./store/wire.ts";

/** What an earlier start has kept in the directory of a cluster. */
interface Memory {
  readonly uid: string;
  readonly pods: readonly Pod[];
  /** Puts the objects into an empty cluster, and from then on keeps each change. Returns the end of that. */
  restore(state: ClusterState): () => void;
}

/** Reads what the directory keeps. Throws an Error that names the file if it is damaged. */
export function openMemory(directory: string): Memory {
  const log = join(directory, "objects");
  const { uid, jobs, pods, secrets, configMaps } = readObjects(log);
  return {
    uid,
    pods,
    restore(state) {
      for (const job of jobs) state.jobs.insert(job);
      for (const pod of pods) state.pods.insert(endedWithNode(pod));
      for (const secret of secrets) state.secrets.insert(secret);
      for (const configMap of configMaps) state.configMaps.insert(configMap);
      return keepObjects(log, uid, state);
    },
  };
}

/** Kills what still runs of an earlier start that was killed, and removes the files of all pods but these. */
export function endPodsOfBefore(directory: string, kept: readonly Pod[]): void {
  killLeftProcesses(directory);
  const uids = new Set(kept.map(({ metadata }) => metadata.uid));
  for (const uid of existsSync(directory) ? readdirSync(directory) : [])
    if (!uids.has(uid)) rmSync(join(directory, uid), { recursive: true, force: true });
}

/** Removes the pods whose deletion was under way, once the controller has counted them. */
export function removeLeavingPods(state: ClusterState): void {
  const leaving = [...state.pods.inOrder()].filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  for (const pod of leaving) state.pods.remove(pod);
}
