import { defineConfig } from "vitest/config";
import { forbidSkips } from "./test/support/forbid-skips.ts";

// The tests on a real Kubernetes cluster, which all files share, each in namespaces of its own.
export default defineConfig({
  test: {
    include: ["test/cluster/**/*.test.ts"],
    globalSetup: ["test/cluster/global-setup.ts"],
    reporters: process.env["CI"] ? ["default", forbidSkips(process.env)] : ["default"],
    // They wait for Jobs most of the time.
    maxWorkers: 3,
    maxConcurrency: 40,
    testTimeout: 180_000,
    hookTimeout: 90_000,
    teardownTimeout: 60_000,
  },
});
