// Bundles the app and the host into one file each, the command `dispatcher` into one file for each part that it may
// load, and the page that it serves. Such files need no node_modules, and the licences of the packages in them are
// written beside them. The programs of local/, real-cluster/, bench/, prove/ and check-azure/ are bundled too, if these
// folders exist; the build of the images runs without them.
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { glob } from "tinyglobby";

/** The host runs the app in the standalone image, which has no node_modules. */
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

/** The page is small, and needs no map. */
const forBrowsers = {
  platform: "browser",
  target: "es2022",
  minify: true,
  sourcemap: false,
  loader: { ".html": "copy", ".svg": "copy" },
};

/**
 * Loads only the used parts of the Kubernetes client. Its index files load the models of the whole API, which
 * would be a third of the app. What an index file that is used loads has to be named as well.
 */
const usedPartOfClient = {
  name: "used-part-of-client",
  setup({ onResolve, resolve }) {
    const indexes = /^(@kubernetes\/client-node|\.\/(gen\/index|models\/all|types\/ObjectParamAPI)\.js)$/;
    onResolve({ filter: indexes }, async ({ path, pluginData, ...from }) => {
      if (pluginData === "asked") return undefined;
      const found = await resolve(path, { ...from, pluginData: "asked" });
      return /@kubernetes[/\\]client-node[/\\]/.test(found.path) ? { ...found, sideEffects: false } : found;
    });
  },
};

/**
 * Leaves out the languages of zod's error texts. English is loaded by itself. The others are half of zod, and nothing asks
 * for them, but as parts of a namespace they would stay.
 */
const withoutLanguages = {
  name: "without-languages",
  setup({ onLoad }) {
    const index = /[/\\]node_modules[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/;
    onLoad({ filter: index }, () => ({ contents: "export {};" }));
  },
};

/** The packages that the page has. What its files load besides is not for a browser, and the page must not use it. */
const PACKAGES_OF_PAGE = /^(preact|htm)(\/|$)/;

/**
 * Takes of the files of cli/ and shared/ only what the page uses, such as the words for an answer. What else these files
 * load is left out with what uses it.
 */
const usedPartOfCommand = {
  name: "used-part-of-command",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /./ }, async ({ path, importer, pluginData, ...from }) => {
      if (pluginData === "asked" || importer === "" || /[/\\]node_modules[/\\]/.test(importer)) return undefined;
      if (!path.startsWith(".") && !PACKAGES_OF_PAGE.test(path)) return { path, external: true, sideEffects: false };
      const found = await resolve(path, { ...from, importer, pluginData: "asked" });
      return /[/\\](cli|shared)[/\\][^.]*\.ts$/.test(found.path) ? { ...found, sideEffects: false } : found;
    });
  },
};

/**
 * Leaves out the line breaks between the tags of templates, and all indentation, which the page's elements don't have
 * either.
 */
const withoutIndentation = {
  name: "without-indentation",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]ui[/\\][^.]*\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8"))
        .replace(/\n +/g, "\n")
        .replace(/>\n(?=<|\$\{)|(?<=`)\n(?=<)|(?<=\})\n(?=<\/)/g, (found) => found.trim()),
      loader: "ts",
    }));
  },
};

/**
 * Lists each file that the last build read and wrote, with its time and size, so that a later build can tell whether
 * anything has changed.
 */
const RECORD = "dist/build-record.json";
const USAGE = `usage: node build.js [--if-older]

Bundles the app, its command and the programs of this project into dist/.

  --if-older     do nothing if dist/ is up to date
  -h, --help     print this, and end
  --version      print the version, and end
`;

const { version } = JSON.parse(await readFile("package.json", "utf8"));
const flags = readFlags();
if (flags.help) process.stdout.write(USAGE);
else if (flags.version) process.stdout.write(`${version}\n`);
else if (!flags["if-older"] || !(await isUpToDate())) await buildAll();

function readFlags() {
  try {
    const [ifOlder, help, isVersion] = [{ type: "boolean" }, { type: "boolean", short: "h" }, { type: "boolean" }];
    return parseArgs({ options: { "if-older": ifOlder, help, version: isVersion } }).values;
  } catch {
    process.stderr.write(`build.js takes no such flags: ${process.argv.slice(2).join(" ")}\n${USAGE}`);
    return process.exit(2);
  }
}

/** Finds the programs that run without node_modules, the command first, the page, and the programs of a checkout. */
async function findEntryPoints() {
  const shipped = ["cli/main.ts", "functions/index.ts", HOST];
  const local = await glob([
    "local/**/main.ts",
    "local/{start/up,demo/demo}.ts",
    "bench/*.ts",
    "bench/*/main.ts",
    "prove/**/{main,preload}.ts",
    "real-cluster/**/main.ts",
    "check-azure/main.ts",
    "test/page/pictures.ts",
  ]);
  const page = await glob(["ui/page.{ts,css}", "ui/index.html", "ui/icon.svg"]);
  return { shipped, page: page.toSorted(), local: local.toSorted() };
}

async function buildAll() {
  const startedAt = Date.now();
  // esbuild is loaded here, not at the top, because the check whether a build is needed is faster without it.
  const { build } = await import("esbuild");
  const entryPoints = await findEntryPoints();
  const options = { ...common, define: { PACKAGE_VERSION: JSON.stringify(version) }, metafile: true, write: false };
  const bundled = {
    ...options,
    plugins: [usedPartOfClient, withoutLanguages],
    // The host itself provides `@azure/functions-core`. `debug` tries to load `supports-color` and works without it;
    // only development has it.
    external: ["@azure/functions-core", "supports-color"],
    // Bundled CommonJS packages still call require.
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  };
  const [command, ...programs] = entryPoints.shipped;
  const shipped = await Promise.all([
    build({ ...bundled, entryPoints: programs }),
    // Each subcommand loads the files that it needs, and --help none of them.
    build({ ...bundled, entryPoints: [command], splitting: true, chunkNames: "cli/[name]-[hash]" }),
  ]);
  if (entryPoints.page.length > 0) shipped.push(await buildPage(options, entryPoints.page));
  const local = await build({ ...options, entryPoints: entryPoints.local, packages: "external" });
  const outputs = new Map();
  for (const { path, text } of shipped.flatMap(({ outputFiles }) => outputFiles))
    outputs.set(relativePath(path), path.endsWith(".js") ? narrow(text) : text);
  for (const { path, contents } of local.outputFiles) outputs.set(relativePath(path), contents);
  outputs.set(
    "dist/third-party-notices.txt",
    await notices(shipped.flatMap(({ metafile }) => Object.keys(metafile.inputs))),
  );

  const earlier = await partsOfCommand();
  for (const [file, content] of outputs) await replace(file, content);
  await removeOthers(outputs, earlier);
  const inputs = [...shipped, local].flatMap(({ metafile }) => Object.keys(metafile.inputs));
  // Files in node_modules need no check of their own, because they change with the lock file.
  const own = inputs.filter((file) => !file.includes("node_modules/"));
  const read = await states(["build.js", "package.json", "package-lock.json", "tsconfig.json", ...new Set(own)]);
  // A source that was edited during this build may be in the bundle or not, so the next build has to look again.
  for (const [file, { mtimeMs }] of Object.entries(read)) if (mtimeMs >= startedAt) read[file] = "changed meanwhile";
  await replace(RECORD, JSON.stringify({ entryPoints, read, written: await states(outputs.keys()) }));
}

/** Bundles the page: its script and its stylesheet, and beside them what is taken as it is. */
async function buildPage(options, entryPoints) {
  const { build } = await import("esbuild");
  const page = await build({
    ...options,
    ...forBrowsers,
    entryPoints,
    plugins: [usedPartOfCommand, withoutIndentation],
  });
  const others = Object.values(page.metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  if (others.length > 0) throw new Error(`the page uses what is not for a browser: ${others.join(", ")}`);
  return { ...page, outputFiles: await Promise.all(page.outputFiles.map(smaller)) };
}

/** Minifies the page's script once more. It weighs 2 % less then. */
async function smaller({ path, text }) {
  if (!path.endsWith(".js")) return { path, text };
  const { minify } = await import("terser");
  const { code } = await minify(text, { module: true, ecma: 2022, compress: { passes: 3 } });
  return { path, text: code };
}

/**
 * Whether a build would write the files that are there already. True if nothing that the last build read or wrote has
 * changed, and no program was added or removed.
 */
async function isUpToDate() {
  try {
    const { entryPoints, read, written } = JSON.parse(await readFile(RECORD, "utf8"));
    const now = [await findEntryPoints(), await states(Object.keys(read)), await states(Object.keys(written))];
    return JSON.stringify([entryPoints, read, written]) === JSON.stringify(now);
  } catch {
    return false;
  }
}

/** Resolves to the time and the size of each file. Rejects if one is missing. */
async function states(files) {
  const entries = [...files].map(async (file) => {
    const { mtimeMs, size } = await stat(file);
    return [file, { mtimeMs, size }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * Replaces a file in one step, so that a program that starts meanwhile finds the old file or the new one. Two builds at
 * once do each other no harm either. If their files get mixed, the record doesn't match them, and the next build writes
 * them anew.
 */
async function replace(file, content) {
  const made = `${file}.${process.pid}.new`;
  await mkdir(dirname(file), { recursive: true });
  // The command is linked into a PATH, and started there.
  const mode = typeof content === "string" && content.startsWith("#!") ? 0o755 : 0o644;
  await writeFile(made, content, { mode });
  await rename(made, file);
}

/** The files of the command that the last build wrote. A command that runs just now may load them yet. */
async function partsOfCommand() {
  try {
    const { written } = JSON.parse(await readFile(RECORD, "utf8"));
    return Object.keys(written).filter((file) => file.startsWith("dist/cli/"));
  } catch {
    return [];
  }
}

/**
 * Removes files that no source makes any more, except those of `kept`, and files that an interrupted build left at
 * least a minute ago. `prove:twins` has builds of its own.
 */
async function removeOthers(outputs, kept) {
  const isOther = (file) => !outputs.has(file) && !kept.includes(file);
  const others = (await glob("dist/**", { ignore: ["dist/twins/**"], dot: true })).filter(isOther);
  for (const file of others) {
    // Another build may have renamed its own file since it was listed.
    const isBeingMade =
      file.endsWith(".new") && Date.now() - ((await stat(file).catch(() => undefined))?.mtimeMs ?? Date.now()) < 60_000;
    if (file !== RECORD && !isBeingMade) await rm(file, { force: true });
  }
}

function relativePath(path) {
  return relative("", path).replaceAll("\\", "/");
}

/**
 * Escapes characters beyond Latin-1 in a bundle. They occur in comments only, because esbuild has escaped the others. A
 * single such character would make V8 keep the whole source in two bytes a character, which costs 7 MiB in every
 * process.
 */
function narrow(text) {
  return text.replaceAll(/[^\0-\xff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The licences of the packages that these files come from. A bundle may be passed on only together with them. */
async function notices(files) {
  const directories = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file) ?? []);
  const chapters = await Promise.all(
    [...new Set(directories)].map(async (directory) => {
      const { name, version, license, author } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
      const texts = (await readdir(directory))
        .filter((file) => /^((un)?licen[cs]e|notice|copying)/i.test(file))
        .toSorted();
      const contents = await Promise.all(texts.map((file) => readFile(join(directory, file), "utf8")));
      // A few packages have no licence file. They only name their author and the licence.
      const words = contents.length > 0 ? contents : [`Copyright ${author?.name ?? author}`];
      return [`${name} ${version} (${license})`, ...words.map((text) => text.trim())].join("\n\n");
    }),
  );
  return `${[...new Set(chapters)].toSorted().join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
