// Bundles the app, the host and each of tools/ into one file each. Such a file needs no node_modules; the licences of the packages in it are written beside it.
// The programs of local/, real-cluster/, bench/ and prove/ are bundled too, where these folders are: the build of the images has none of them.
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { glob } from "tinyglobby";

/** Runs the app in the standalone image, where there is no node_modules. */
const HOST = "host/main.ts";
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

/** Of the Kubernetes client only what is used: its indexes load the models of the whole API, which are a third of the app. */
const usedPartOfClient = {
  name: "used-part-of-client",
  setup({ onResolve, resolve }) {
    const indexes = /^(@kubernetes\/client-node|\.\/gen\/index\.js)$/;
    onResolve({ filter: indexes }, async ({ path, pluginData, ...from }) => {
      if (pluginData === "asked") return undefined;
      const found = await resolve(path, { ...from, pluginData: "asked" });
      return /@kubernetes[/\\]client-node[/\\]/.test(found.path) ? { ...found, sideEffects: false } : found;
    });
  },
};

await rm("dist", { recursive: true, force: true });
const { metafile } = await build({
  ...common,
  metafile: true,
  plugins: [usedPartOfClient],
  entryPoints: ["functions/index.ts", HOST, ...(await glob("tools/*.ts"))],
  // The host itself provides the first, when the library asks for it. `debug` asks for the other and does without: only development has it.
  external: ["@azure/functions-core", "supports-color"],
  // Bundled CommonJS packages still call require.
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
});
for (const file of Object.keys(metafile.outputs).filter((path) => path.endsWith(".js"))) await narrow(file);
await build({
  ...common,
  entryPoints: await glob([
    "local/**/main.ts",
    "bench/*.ts",
    "bench/cluster/main.ts",
    "prove/**/main.ts",
    "real-cluster/**/main.ts",
  ]),
  packages: "external",
});
await writeFile("dist/third-party-notices.txt", await notices(Object.keys(metafile.inputs)));

/**
 * Escapes what is beyond Latin-1 in a bundle; that is in comments only, for esbuild has escaped the rest. A single such character makes V8 keep
 * the whole source in two bytes a character: 7 MiB more in every process.
 */
async function narrow(file) {
  const text = await readFile(file, "utf8");
  await writeFile(
    file,
    text.replaceAll(/[^\0-\xff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}

/** The licences of the packages that these files come from. Whoever passes a bundle on has to pass them on with it. */
async function notices(files) {
  const directories = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file) ?? []);
  const chapters = await Promise.all(
    [...new Set(directories)].map(async (directory) => {
      const { name, version, license, author } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
      const texts = (await readdir(directory))
        .filter((file) => /^((un)?licen[cs]e|notice|copying)/i.test(file))
        .toSorted();
      const contents = await Promise.all(texts.map((file) => readFile(join(directory, file), "utf8")));
      // A few have no file of their own: their author, and the name of the licence, is all that they say.
      const words = contents.length > 0 ? contents : [`Copyright ${author?.name ?? author}`];
      return [`${name} ${version} (${license})`, ...words.map((text) => text.trim())].join("\n\n");
    }),
  );
  return `${[...new Set(chapters)].toSorted().join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
