import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { type Edit, editing } from "./edit.ts";

/** How `build.js` builds the app. */
export const APP = {
  entryPoints: ["functions/index.ts"],
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  logLevel: "silent",
  external: ["@azure/functions-core", "supports-color"],
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
} satisfies BuildOptions;

/**
 * Builds the app with these edits, as `build.js` does. Resolves to the built file. Rejects if an edit can't be made.
 */
export async function buildApp(edits: readonly Edit[]): Promise<string> {
  const name = createHash("sha256").update(JSON.stringify(edits)).digest("hex").slice(0, 12);
  const outdir = join(PROJECT_ROOT, "dist/twins", name);
  await build({ ...APP, absWorkingDir: PROJECT_ROOT, outdir, plugins: [editing(edits)] });
  return join(outdir, "index.js");
}
