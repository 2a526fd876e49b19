import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { describe, expect, inject, test, vi } from "vitest";
import { buildBinaries } from "../../real-cluster/binaries.ts";
import { type ClusterOptions, defaultCacheRoot, startCluster, stopCluster } from "../../real-cluster/cluster.ts";
import { readRecord, runRoot } from "../../real-cluster/cluster-record.ts";
import { processesInMountNamespace } from "../../real-cluster/server-process.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";

const cacheRoot = defaultCacheRoot(process.env);

function options(over: Partial<ClusterOptions> = {}): ClusterOptions {
  const name = `test-${randomUUID().slice(0, 8)}`;
  return { name, cacheRoot, assets: undefined, isOwned: true, say: () => {}, ...over };
}

/** The command lines of processes that name a cluster's directory. */
function commandsOf(name: string): string[] {
  const directory = join(runRoot(cacheRoot), name);
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll("\0", " "))
    .filter((command) => command.includes(directory));
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * The processes of a mount namespace that see mounts below a directory. The kernel gives the number of a namespace that is
 * gone to a new one, so that the number alone may name the processes of another test's pod.
 */
function processesThatSee(directory: string, namespace: string): readonly unknown[] {
  return processesInMountNamespace(namespace).filter(({ pid }) => read(`/proc/${pid}/mountinfo`).includes(directory));
}

function controlGroups(name: string): string[] {
  return [name, ...readdirSync("/sys/fs/cgroup").map((entry) => join(entry, name))].filter((path) =>
    existsSync(join("/sys/fs/cgroup", path)),
  );
}

describe.skipIf(!inject("ownsCluster"))(`a cluster ${NEEDS_OWN_CLUSTER}`, () => {
  test("leaves nothing when it is ended with a pod that runs", async () => {
    const given = options();
    const { directory, kubeconfig } = await startCluster(given);
    const record = await readRecord(directory);
    if (record?.mountNamespace === undefined) throw new Error("the cluster is up and has no record of it");
    await runPod(kubeconfig);
    expect(processesThatSee(directory, record.mountNamespace).length).toBeGreaterThan(2);
    expect(Object.keys(networkInterfaces())).toContain(record.bridge);
    expect(controlGroups(record.cgroup)).not.toEqual([]);
    expect(commandsOf(given.name).length).toBeGreaterThan(4);

    expect(await stopCluster(given.name, cacheRoot)).toBe(true);
    expect(processesThatSee(directory, record.mountNamespace)).toEqual([]);
    expect(Object.keys(networkInterfaces())).not.toContain(record.bridge);
    expect(controlGroups(record.cgroup)).toEqual([]);
    expect(commandsOf(given.name)).toEqual([]);
    expect(read("/proc/self/mountinfo")).not.toContain(directory);
    expect(existsSync(directory)).toBe(false);
  });

  test("takes down what it had started when a part of it fails, and says what that part said", async () => {
    const assets = await mkdtemp(join(tmpdir(), "dispatcher-assets-"));
    const signal = new AbortController().signal;
    const binaries = await buildBinaries({ cacheRoot, assets: undefined }, { say: () => {}, signal });
    for (const program of ["etcd", "kubectl"]) await symlink(binaries[program] ?? "", join(assets, program));
    await writeFile(join(assets, "kube-apiserver"), "#!/bin/sh\necho no such flag\nexit 1\n", { mode: 0o700 });
    const given = options({ assets });
    try {
      await expect(startCluster(given)).rejects.toThrow(
        /^kube-apiserver ended while it was starting.*\nno such flag$/s,
      );
    } finally {
      await rm(assets, { recursive: true });
    }
    expect(commandsOf(given.name)).toEqual([]);
    expect(existsSync(join(runRoot(cacheRoot), given.name))).toBe(false);
  });

  test("takes down what it had started when it is given up", async () => {
    const interrupted = new AbortController();
    const given = options({ signal: interrupted.signal });
    const outcome = startCluster(given).catch(String);
    await vi.waitFor(() => expect(commandsOf(given.name)).not.toEqual([]), { timeout: 20_000, interval: 20 });
    interrupted.abort(new Error("not any more"));
    expect(await outcome).toBe("Error: not any more");
    expect(commandsOf(given.name)).toEqual([]);
    expect(existsSync(join(runRoot(cacheRoot), given.name))).toBe(false);
  });
});

async function runPod(kubeconfig: string): Promise<void> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeconfig);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const container = { name: "main", image: "busybox:1.36", command: ["sleep", "600"] };
  await core.createNamespacedPod({
    namespace: "default",
    body: { metadata: { name: "sleeper" }, spec: { containers: [container] } },
  });
  await vi.waitFor(
    async () => {
      const { status } = await core.readNamespacedPod({ name: "sleeper", namespace: "default" });
      expect(status?.phase).toBe("Running");
    },
    { timeout: 30_000, interval: 100 },
  );
}
