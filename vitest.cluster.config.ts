import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { missingBinary, testedBinaries } from "./real-cluster/binaries.ts";
import { defaultCacheRoot } from "./real-cluster/cluster.ts";
import { forbidSkips } from "./test/support/forbid-skips.ts";

/** What has to be built for a file beside the cluster itself: nothing, helm, or KEDA too. */
function needs({ moduleId }: TestSpecification): number {
  if (moduleId.includes("/keda.")) return 2;
  return /\/(chart|job-policy)[^/]*$/.test(moduleId) ? 1 : 0;
}

/** Where programs have yet to be built, the files that need most of them come last: the others don't wait for it. */
class BuiltLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- Vitest's own.
    const sorted = await super.sort(files);
    const sources = testedBinaries(defaultCacheRoot(process.env), process.env["KUBEBUILDER_ASSETS"] || undefined);
    return (await missingBinary(sources)) === undefined ? sorted : sorted.toSorted((a, b) => needs(a) - needs(b));
  }
}

// The tests on a real Kubernetes cluster, which all files share, each in namespaces of its own.
export default defineConfig({
  test: {
    include: ["test/cluster/**/*.test.ts"],
    globalSetup: ["test/cluster/global-setup.ts"],
    reporters: process.env["CI"] ? ["default", forbidSkips(process.env)] : ["default"],
    // They wait for Jobs most of the time.
    maxWorkers: 3,
    sequence: { sequencer: BuiltLast },
    maxConcurrency: 40,
    testTimeout: 180_000,
    hookTimeout: 90_000,
    teardownTimeout: 60_000,
  },
});
