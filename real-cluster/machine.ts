import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPLACED } from "./node.ts";

const run = promisify(execFile);

/** The machine's files that a cluster needs. */
export interface Machine {
  readonly cniPlugins: string;
  readonly busybox: string;
}

/** The Debian package of each program that a cluster needs. */
const PROGRAMS = {
  runc: "runc",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  mount: "mount",
} as const;
const CNI_DIRECTORIES = ["/usr/lib/cni", "/opt/cni/bin"];
const CNI_PLUGINS = ["bridge", "host-local"];
const MIN_GO = [1, 26] as const;

/**
 * Checks whether a cluster can be started here. Throws one Error that names everything that is missing, with the
 * commands that get it. `needsGo` is a program that has yet to be built, if any.
 */
export async function inspectMachine(cacheRoot: string, needsGo: string | undefined): Promise<Machine> {
  if (process.platform !== "linux")
    throw new Error("A cluster needs Linux. Set TEST_KUBECONFIG to use a cluster that runs elsewhere.");
  const problems: string[] = [];
  if (process.getuid?.() !== 0) problems.push("It needs root, for containers and their network. Run it with sudo.");
  if (REPLACED.some((directory) => `${cacheRoot}/`.startsWith(`${directory}/`)))
    problems.push(
      `${cacheRoot} is in ${REPLACED.join(", ")}, which its containers replace. Set XDG_CACHE_HOME to another directory.`,
    );
  if (needsGo !== undefined) problems.push(...(await goProblems(needsGo)));

  const packages = new Set<string>();
  for (const [program, name] of Object.entries(PROGRAMS)) if (!(await isInstalled(program))) packages.add(name);
  const cniPlugins = CNI_DIRECTORIES.find((directory) =>
    CNI_PLUGINS.every((plugin) => existsSync(join(directory, plugin))),
  );
  if (cniPlugins === undefined) packages.add("containernetworking-plugins");
  const busybox = await staticBusybox();
  if (busybox === undefined) packages.add("busybox-static");
  if (packages.size > 0)
    problems.push(
      `It needs Debian packages. Install them with: apt-get install -y ${[...packages].toSorted().join(" ")}`,
    );

  if (problems.length === 0 && cniPlugins !== undefined && busybox !== undefined) return { cniPlugins, busybox };
  throw new Error(["A cluster can't be started on this machine.", ...problems].join("\n  "));
}

async function goProblems(program: string): Promise<string[]> {
  const wanted = MIN_GO.join(".");
  const how = `Install it from https://go.dev/doc/install, or set XDG_CACHE_HOME to where ${program} was built before`;
  const version = await run("go", ["env", "GOVERSION"]).catch(() => undefined);
  if (version === undefined) return [`It needs Go ${wanted} or later to build ${program}. ${how}.`];
  const [, major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(version.stdout) ?? []).map(Number);
  const isEnough = major > MIN_GO[0] || (major === MIN_GO[0] && minor >= MIN_GO[1]);
  return isEnough
    ? []
    : [`It needs Go ${wanted} or later to build ${program}, but ${version.stdout.trim()} is installed. ${how}.`];
}

async function isInstalled(program: string): Promise<boolean> {
  return (await pathOf(program)) !== undefined;
}

async function pathOf(program: string): Promise<string | undefined> {
  const found = await run("sh", ["-c", 'command -v "$1"', "sh", program]).catch(() => undefined);
  return found?.stdout.trim();
}

/** The path of a busybox that needs no libraries, because the image has nothing else. Undefined if there is none. */
async function staticBusybox(): Promise<string | undefined> {
  const path = await pathOf("busybox");
  if (path === undefined) return undefined;
  // `ldd` fails for a static program, because it has nothing to load.
  const loaded = await run("ldd", [path]).then(
    ({ stdout }) => stdout,
    () => "",
  );
  return loaded.includes("=>") ? undefined : path;
}
