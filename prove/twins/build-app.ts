import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import type { StageOptions } from "../stage/stage.ts";
import { type Edit, editing, parted } from "./edit.ts";

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

/** The builds that replicas run in turns, and the build of the standalone host that runs them, if it has an edit. */
export type Builds = Pick<StageOptions, "apps" | "host">;

/**
 * Builds the app with these edits, as `build.js` does. Resolves to the built file. Rejects if an edit can't be made.
 */
export function buildApp(edits: readonly Edit[]): Promise<string> {
  return buildProgram("functions/index.ts", edits);
}

/**
 * Builds app and host with these edits, each edit in the program that it changes. Rejects if an edit can't be
 * made.
 */
export async function buildBoth(edits: readonly Edit[]): Promise<Builds> {
  const { app, host } = await parted(edits);
  return {
    apps: [await buildApp(app)],
    ...(host.length === 0 ? {} : { host: await buildProgram("host/main.ts", host) }),
  };
}

/** What was built, because several stories are played with the same build. */
const built = new Map<string, Promise<string>>();

function buildProgram(source: string, edits: readonly Edit[]): Promise<string> {
  const name = createHash("sha256")
    .update(JSON.stringify([source, edits]))
    .digest("hex")
    .slice(0, 12);
  const building = built.get(name) ?? buildAs(name, source, edits);
  built.set(name, building);
  return building;
}

async function buildAs(name: string, source: string, edits: readonly Edit[]): Promise<string> {
  const outdir = join(PROJECT_ROOT, "dist/twins", name);
  const options = { ...APP, entryPoints: [source], absWorkingDir: PROJECT_ROOT, outdir, plugins: [editing(edits)] };
  await build({ ...options, define: { PACKAGE_VERSION: '"twin"' } });
  return join(outdir, basename(source).replace(/ts$/, "js"));
}
