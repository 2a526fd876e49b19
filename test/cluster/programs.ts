import { type Binaries, type BinarySources, buildBinaries, missingBinary } from "../../real-cluster/binaries.ts";
import { defaultCacheRoot } from "../../real-cluster/cluster.ts";
import { inspectMachine } from "../../real-cluster/machine.ts";

/**
 * Builds the missing programs of these families, which takes minutes the first time, and resolves to the paths of all.
 */
export async function programsOf(families: NonNullable<BinarySources["families"]>): Promise<Binaries> {
  const sources = {
    cacheRoot: defaultCacheRoot(process.env),
    assets: process.env["KUBEBUILDER_ASSETS"] || undefined,
    families,
  };
  // Throws if the machine lacks something for a cluster. The other programs need Go, if they have yet to be built.
  if (families.includes("containerd")) await inspectMachine(sources.cacheRoot, await missingBinary(sources));
  const say = (line: string) => console.error(`cluster: ${line}`);
  return buildBinaries(sources, { say, signal: new AbortController().signal });
}
