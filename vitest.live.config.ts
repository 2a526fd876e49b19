import { defineConfig } from "vitest/config";

// Runs the tests on a real namespace and a real cluster. They take as long as these take: a lock lapses in a minute.
export default defineConfig({
  test: {
    include: ["test/live/**/*.test.ts"],
    // This reporter names each test that is skipped, with its reason.
    reporters: ["verbose"],
    // The tests wait more than they compute.
    maxWorkers: 4,
    testTimeout: 600_000,
    hookTimeout: 120_000,
    // The soak measures the heap after a garbage collection.
    execArgv: ["--expose-gc"],
  },
});
