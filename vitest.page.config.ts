import { defineConfig } from "vitest/config";
import { forbidSkips } from "./test/support/forbid-skips.ts";

// The tests of the page, in a real browser and on a whole stack of this machine.
export default defineConfig({
  test: {
    include: ["test/page/**/*.test.ts"],
    reporters: process.env["CI"] ? ["default", forbidSkips(process.env)] : ["default"],
    // Each file starts a stack and a browser.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});
