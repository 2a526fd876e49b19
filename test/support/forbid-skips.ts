import type { Reporter } from "vitest/node";

/** What a test says in its name, or its group's, that stops a node or the API server, and so is left out on somebody's own cluster. */
export const NEEDS_OWN_CLUSTER = "(on a cluster of its own)";

/** What a test of a contract says in its name that only a real cluster can tell, and so is left out on its stand-ins. */
export const NEEDS_KUBELET = "(needs a kubelet)";
export const NEEDS_ADMISSION = "(needs admission control)";

/**
 * Fails the run where a test was skipped, except those that an explicit `TEST_KUBECONFIG` leaves out by name, and those with a mark of what this
 * run doesn't have.
 */
export function forbidSkips(
  env: Readonly<Record<string, string | undefined>>,
  lacks: readonly string[] = [],
): Reporter {
  const leftOut = env["TEST_KUBECONFIG"] ? [...lacks, NEEDS_OWN_CLUSTER] : lacks;
  return {
    onTestRunEnd(modules) {
      const skipped = modules
        .flatMap((module) => [...module.children.allTests("skipped")])
        .map(({ fullName }) => fullName)
        .filter((name) => !leftOut.some((mark) => name.includes(mark)));
      if (skipped.length === 0) return;
      console.error(`These tests were skipped, and none may be:\n  ${skipped.join("\n  ")}`);
      process.exitCode = 1;
    },
  };
}
