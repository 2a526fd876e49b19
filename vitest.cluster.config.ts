import { defineConfig } from "vitest/config";

// The tests on a real Kubernetes cluster, which all files share, each in namespaces of its own.
export default defineConfig({
  test: {
    include: ["test/cluster/**/*.test.ts"],
    globalSetup: ["test/cluster/global-setup.ts"],
    testTimeout: 90_000,
    hookTimeout: 90_000,
    teardownTimeout: 60_000,
  },
});
