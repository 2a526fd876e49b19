import { resolve } from "node:path";
import type { TestProject } from "vitest/node";
import { defaultCacheRoot, startCluster, stopCluster } from "../../real-cluster/cluster.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The kubeconfig of the cluster that the tests run on. */
    readonly kubeconfig: string;
    /** Whether the cluster belongs to these tests, which may then stop its node and its API server. */
    readonly ownsCluster: boolean;
    /** The address of this machine, as the cluster's pods see it. Undefined if it is unknown. */
    readonly address: string | undefined;
  }
}

let stop: (() => Promise<void>) | undefined;

/**
 * Starts a cluster for all test files, or uses the one that `TEST_KUBECONFIG` names. It never uses a plain
 * `KUBECONFIG`.
 */
export async function setup(project: TestProject): Promise<void> {
  const given = process.env["TEST_KUBECONFIG"] || undefined;
  project.provide("ownsCluster", given === undefined);
  if (given !== undefined) {
    project.provide("kubeconfig", resolve(given));
    project.provide("address", process.env["TEST_ADDRESS"] || undefined);
    return;
  }
  const cacheRoot = defaultCacheRoot(process.env);
  const name = `tests-${process.pid}`;
  const cluster = await startCluster({
    name,
    cacheRoot,
    assets: process.env["KUBEBUILDER_ASSETS"] || undefined,
    isOwned: true,
    say: (line) => console.error(`cluster: ${line}`),
  });
  stop = async () => void (await stopCluster(name, cacheRoot));
  project.provide("kubeconfig", cluster.kubeconfig);
  project.provide("address", cluster.gateway);
}

/** Ends the cluster that `setup` started. */
export async function teardown(): Promise<void> {
  await stop?.();
}
