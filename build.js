// Bundles the app, each of tools/ and the host into one file each, which needs no node_modules, and the programs of local/, bench/ and test/ beside them.
import { rm } from "node:fs/promises";
import { build } from "esbuild";
import { glob } from "tinyglobby";

/** Runs the app in the standalone image, where there is no node_modules. */
const HOST = "local/host/main.ts";
const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  outdir: "dist",
  outbase: ".",
  sourcemap: true,
  logLevel: "warning",
};

await rm("dist", { recursive: true, force: true });
await build({
  ...common,
  entryPoints: ["functions/index.ts", HOST, ...(await glob("tools/*.ts"))],
  // The host itself provides the first, when the library asks for it. `debug` asks for the other and does without: only development has it.
  external: ["@azure/functions-core", "supports-color"],
  // Bundled CommonJS packages still call require.
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
});
await build({
  ...common,
  entryPoints: await glob(["local/**/main.ts", "bench/*.ts", "test/cluster/**/main.ts"], { ignore: [HOST] }),
  packages: "external",
});
