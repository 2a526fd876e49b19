import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // These need a real cluster, `npm run test:cluster`, and a real namespace, `npm run test:live`.
    exclude: ["test/cluster/**", "test/live/**"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
