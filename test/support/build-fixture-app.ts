import { join } from "node:path";
import { build } from "esbuild";

/**
 * Bundles the source of a small Functions app as the product's own build does, with a copy of the library of its own.
 * Resolves to the file.
 */
export async function buildFixtureApp(directory: string, name: string, source: string): Promise<string> {
  const outfile = join(directory, `${name}.mjs`);
  await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: "js" },
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "error",
    external: ["@azure/functions-core"],
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
  return outfile;
}
