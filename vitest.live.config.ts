import { defineConfig } from "vitest/config";

// The tests on a real namespace and a real cluster, which take the time that these take: a lock lapses in a minute there.
export default defineConfig({
  test: {
    include: ["test/live/**/*.test.ts"],
    // It names what is skipped, and so why.
    reporters: ["verbose"],
    // They wait more than they compute.
    maxWorkers: 4,
    testTimeout: 600_000,
    hookTimeout: 120_000,
    // The soak looks at the heap without what is garbage.
    execArgv: ["--expose-gc"],
  },
});
