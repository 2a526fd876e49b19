import { join } from "node:path";
import { build } from "esbuild";
import { ROOT } from "./run-program.ts";

/** Bundles a program of local/ from its source, so that its test needs no build. See `programFile` for the result. */
export async function bundleProgram(name: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, "local", name, "main.ts")],
    outfile: programFile(name),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
}

/** The file that `bundleProgram` makes. */
export function programFile(name: string): string {
  return join(ROOT, "node_modules", ".cache", "dispatcher", `${name}-main.mjs`);
}
