import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { promisify } from "node:util";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { directory, ociArchive } from "../../real-cluster/oci-archive.ts";
import type { TarEntry } from "../../real-cluster/tar.ts";
import { layOut, readImage } from "../support/container-image.ts";

/** The path of Node, which is the same in the Dockerfile's base image. */
const NODE = "usr/local/bin/node";

/**
 * Makes an archive in the OCI layout with the app in its standalone image, as the Dockerfile describes it, from the
 * last build. In place of the Dockerfile's base image it has this machine's Node and the libraries that Node loads.
 */
export async function appArchive(name: string): Promise<Buffer> {
  const image = readImage("standalone");
  const work = await mkdtemp(join(tmpdir(), "dispatcher-app-image-"));
  try {
    // This is the checkout, as the Dockerfile's stage that builds has it.
    await mkdir(join(work, "build"));
    await symlink(PROJECT_ROOT, join(work, "build", readImage("build").workdir));
    await layOut(image, { build: join(work, "build") }, join(work, "root"));
    return ociArchive([
      {
        names: [name],
        files: withDirectories([...(await baseFiles()), ...(await filesBelow(join(work, "root")))]),
        config: {
          Env: [`PATH=/${posix.dirname(NODE)}`, ...Object.entries(image.env).map(([key, value]) => `${key}=${value}`)],
          Entrypoint: image.command,
          WorkingDir: image.workdir,
          ...(image.user === undefined ? {} : { User: image.user }),
        },
      },
    ]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function baseFiles(): Promise<TarEntry[]> {
  const { stdout } = await promisify(execFile)("ldd", [process.execPath]);
  // A line is `name => /path (address)`, or the loader's path alone. Each library is copied to the same path.
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  return Promise.all([program(process.execPath, NODE), ...libraries.map((path) => program(path, path.slice(1)))]);
}

async function program(source: string, path: string): Promise<TarEntry> {
  return { kind: "file", path, mode: 0o755, content: await readFile(source) };
}

async function filesBelow(root: string): Promise<TarEntry[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  return Promise.all(
    found
      .filter((entry) => entry.isFile())
      .map(async (entry): Promise<TarEntry> => {
        const path = join(entry.parentPath, entry.name);
        return { kind: "file", path: path.slice(root.length + 1), mode: 0o644, content: await readFile(path) };
      }),
  );
}

/** Adds the directories of the files, each before what is in it, and a /tmp for all users. */
function withDirectories(files: readonly TarEntry[]): TarEntry[] {
  const directories = new Set(files.flatMap(({ path }) => above(path)));
  return [
    { kind: "directory", path: "tmp", mode: 0o1777 },
    ...[...directories].toSorted((a, b) => a.localeCompare(b)).map(directory),
    ...files,
  ];
}

function above(path: string): string[] {
  const parent = posix.dirname(path);
  return parent === "." ? [] : [...above(parent), parent];
}
