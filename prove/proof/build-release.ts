import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { defaultCacheRoot } from "../../real-cluster/cluster.ts";
import { APP } from "../twins/build-app.ts";

const run = promisify(execFile);

/** What an app is built from. */
const SOURCES = ["functions", "shared", "package.json", "package-lock.json", ".npmrc", "tsconfig.json"];

/**
 * Builds the app as it was at a commit, with the packages that its own lock file names. The build is kept in the cache of
 * the cluster's programs. Resolves to the built file. Rejects with an Error that says what to do if the history does not
 * reach back to the commit.
 */
export async function buildRelease(commit: string): Promise<string> {
  const root = defaultCacheRoot(process.env);
  const kept = join(root, `release-${commit}`);
  if (existsSync(kept)) return join(kept, "dist/index.js");
  await git("cat-file", "-e", `${commit}^{commit}`).catch((error: unknown) => {
    throw new Error(
      `The commit ${commit} of the release to upgrade from is not in this clone, because its history is cut off. Fetch it: git fetch --unshallow`,
      { cause: error },
    );
  });
  await mkdir(root, { recursive: true });
  const made = await mkdtemp(join(root, "making-"));
  try {
    const archive = join(made, "release.tar");
    await git("archive", "--output", archive, commit, ...SOURCES);
    await run("tar", ["--extract", "--file", archive, "--directory", made]);
    await rm(archive);
    await installPackages(made);
    await bundle(made);
    await rm(join(made, "node_modules"), { recursive: true });
    // Another process may have built it meanwhile.
    await rename(made, kept).catch((error: unknown) => {
      if (!existsSync(kept)) throw error;
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return join(kept, "dist/index.js");
}

/** Takes the packages that are installed here if the lock file is the same, and installs those of its own if not. */
async function installPackages(directory: string): Promise<void> {
  const [theirs, ours] = await Promise.all(
    [directory, PROJECT_ROOT].map((place) => readFile(join(place, "package-lock.json"), "utf8")),
  );
  if (theirs === ours) await symlink(join(PROJECT_ROOT, "node_modules"), join(directory, "node_modules"));
  else await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: directory });
}

async function bundle(directory: string): Promise<void> {
  await build({ ...APP, absWorkingDir: directory, outdir: "dist" });
}

async function git(...args: readonly string[]): Promise<void> {
  await run("git", args, { cwd: PROJECT_ROOT });
}
