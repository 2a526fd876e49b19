import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // These need a real cluster: `npm run test:cluster`.
    exclude: ["test/cluster/**"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
