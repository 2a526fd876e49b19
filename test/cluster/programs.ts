import { type Binaries, type BinarySources, buildBinaries, missingBinary } from "../../real-cluster/binaries.ts";
import { defaultCacheRoot } from "../../real-cluster/cluster.ts";
import { inspectMachine } from "../../real-cluster/machine.ts";

/** The programs of these families, for a test: built where they are missing, which takes minutes the first time. */
export async function programsOf(families: NonNullable<BinarySources["families"]>): Promise<Binaries> {
  const sources = {
    cacheRoot: defaultCacheRoot(process.env),
    assets: process.env["KUBEBUILDER_ASSETS"] || undefined,
    families,
  };
  // Says what a cluster misses. The other programs need Go, where they have yet to be built.
  if (families.includes("containerd")) await inspectMachine(sources.cacheRoot, await missingBinary(sources));
  const say = (line: string) => console.error(`cluster: ${line}`);
  return buildBinaries(sources, { say, signal: new AbortController().signal });
}
