import type { Reporter } from "vitest/node";

/**
 * Marks, in the name of a test or its group, a test that stops a node or the API server. Such a test is left out on a
 * cluster that the tests did not start.
 */
export const NEEDS_OWN_CLUSTER = "(on a cluster of its own)";

/**
 * Marks, in the name of a contract's test, a test that only a real cluster can pass. Such a test is left out on
 * stand-ins.
 */
export const NEEDS_KUBELET = "(needs a kubelet)";
export const NEEDS_ADMISSION = "(needs admission control)";

/**
 * Fails the run if a test was skipped. Allowed are tests that an explicit `TEST_KUBECONFIG` leaves out by name, and
 * tests whose mark names something that this run doesn't have.
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
