import type { Reporter } from "vitest/node";

/** What a test says in its name, or its group's, that stops a node or the API server, and so is left out on somebody's own cluster. */
export const NEEDS_OWN_CLUSTER = "(on a cluster of its own)";

/** Fails the run where a test was skipped, except those that an explicit `TEST_KUBECONFIG` leaves out by name. */
export function forbidSkips(env: Readonly<Record<string, string | undefined>>): Reporter {
  const isLeftOut = (name: string) => Boolean(env["TEST_KUBECONFIG"]) && name.includes(NEEDS_OWN_CLUSTER);
  return {
    onTestRunEnd(modules) {
      const skipped = modules
        .flatMap((module) => [...module.children.allTests("skipped")])
        .map(({ fullName }) => fullName)
        .filter((name) => !isLeftOut(name));
      if (skipped.length === 0) return;
      console.error(`These tests were skipped, and none may be:\n  ${skipped.join("\n  ")}`);
      process.exitCode = 1;
    },
  };
}
