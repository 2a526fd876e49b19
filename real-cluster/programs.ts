import { type Binaries, type BinarySources, buildBinaries, missingBinary } from "./binaries.ts";
import { defaultCacheRoot } from "./cluster.ts";
import { inspectMachine } from "./machine.ts";

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
  return buildBinaries(sources, { say, signal: new AbortController().signal });
}

function say(line: string): void {
  console.error(`cluster: ${line}`);
}
