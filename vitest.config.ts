import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { forbidSkips, NEEDS_ADMISSION, NEEDS_KUBELET } from "./test/support/forbid-skips.ts";

export default defineConfig({
  // As the build does it, for the commands that a test loads from their source.
  define: { PACKAGE_VERSION: JSON.stringify("0.0.0") },
  test: {
    include: ["test/**/*.test.ts"],
    // These need a real cluster, `npm run test:cluster`, a browser, `npm run test:page`, and a real namespace, `npm run
    // test:live`.
    exclude: ["test/cluster/**", "test/page/**", "test/live/**"],
    reporters: process.env["CI"]
      ? ["default", forbidSkips(process.env, [NEEDS_KUBELET, NEEDS_ADMISSION])]
      : ["default"],
    // The built app is loaded as it is, because its 11 MB take long to transform.
    server: { deps: { external: [/\/dist\//] } },
    // Much of a test is waiting for processes and timers, so that two go on at once on two processors.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
