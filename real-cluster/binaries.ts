import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT_ROOT } from "../local/stack/project-root.ts";
import { KEDA_MODULES, type KedaRelease } from "./keda-releases.ts";
import { oneAtATime } from "./one-at-a-time.ts";

const MODULES = join(PROJECT_ROOT, "real-cluster", "go");
const VERSION_PACKAGE = "k8s.io/component-base/version";
const KUBERNETES = "1.36.3";
const KEDA = "github.com/kedacore/keda/v2";

/**
 * Compiles and links no debug information, and inlines no function. Compiling is most of a first run, and takes a third
 * less time so. The control plane gets a little slower, so that measurements on it err on the careful side.
 */
const QUICKLY_BUILT = "-gcflags=all=-dwarf=false -l";

/** The families that every cluster needs. */
const CLUSTER = ["etcd", "containerd", "kubernetes"] as const;

/** The families that the tests on a cluster need, and those of the page behind a login. */
const TESTED = [...CLUSTER, "helm", "oauth2-proxy", "keda"] as const;

type FamilyName = (typeof TESTED)[number] | (typeof KEDA_MODULES)[KedaRelease] | "kwok" | "queue-worker";

/**
 * Programs of one Go module. Each family has a module of its own, so that its dependencies never decide another one's.
 */
interface Family {
  readonly name: FamilyName;
  /** The package of each program. */
  readonly programs: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
}

const FAMILIES: readonly Family[] = [
  { name: "etcd", programs: { etcd: "." }, flags: [QUICKLY_BUILT, "-ldflags", "-s -w"] },
  {
    name: "containerd",
    programs: {
      containerd: "github.com/containerd/containerd/v2/cmd/containerd",
      "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
      ctr: "github.com/containerd/containerd/v2/cmd/ctr",
    },
    flags: [QUICKLY_BUILT, "-tags", "no_btrfs,no_devmapper,no_zfs", "-ldflags", "-s -w"],
  },
  {
    name: "kubernetes",
    programs: {
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
      "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
      kubectl: "k8s.io/kubernetes/cmd/kubectl",
      kubelet: "k8s.io/kubernetes/cmd/kubelet",
    },
    flags: [QUICKLY_BUILT, "-ldflags", kubernetesLinkerFlags()],
  },
  { name: "helm", programs: { helm: "helm.sh/helm/v4/cmd/helm" }, flags: [QUICKLY_BUILT, "-ldflags", "-s -w"] },
  {
    name: "oauth2-proxy",
    programs: { "oauth2-proxy": "github.com/oauth2-proxy/oauth2-proxy/v7" },
    flags: [QUICKLY_BUILT, "-ldflags", "-s -w"],
  },
  ...Object.values(KEDA_MODULES).map((name) => ({
    name,
    programs: { "keda-operator": `${KEDA}/cmd/operator` },
    flags: [QUICKLY_BUILT, "-ldflags", "-s -w"],
  })),
  { name: "queue-worker", programs: { "queue-worker": "." }, flags: [QUICKLY_BUILT, "-ldflags", "-s -w"] },
  { name: "kwok", programs: { kwok: "sigs.k8s.io/kwok/cmd/kwok" }, flags: [QUICKLY_BUILT, "-ldflags", "-s -w"] },
];

/** The programs that `KUBEBUILDER_ASSETS` replaces. */
const REPLACEABLE = ["etcd", "kube-apiserver", "kubectl"] as const;

/** The programs that take minutes. Each is the first of its family, so it compiles most of what the others need too. */
const SLOW = ["kube-apiserver", "keda-operator", "kwok"];

/** The path of each program of the cluster. */
export type Binaries = Readonly<Record<string, string>>;

export interface BinarySources {
  /** Keeps built programs, in one directory per content of a Go module's files. */
  readonly cacheRoot: string;
  /** A directory with etcd, kube-apiserver and kubectl, which are then not built. */
  readonly assets: string | undefined;
  /** The families to build. By default those that every cluster needs. */
  readonly families?: readonly FamilyName[];
}

interface BuildOptions {
  /** Called with a line for each build. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The programs that the tests on a cluster need. */
export function testedBinaries(cacheRoot: string, assets: string | undefined): BinarySources {
  return { cacheRoot, assets, families: TESTED };
}

/** A program that has yet to be built; undefined if all are there. Throws an Error if one of the assets is missing. */
export async function missingBinary(sources: BinarySources): Promise<string | undefined> {
  for (const family of familiesOf(sources)) {
    const directory = await directoryOf(family, sources.cacheRoot);
    const missing = wanted(family, sources).find((program) => !existsSync(join(directory, program)));
    if (missing !== undefined) return missing;
  }
  return undefined;
}

/**
 * Builds the missing programs, which takes minutes the first time and nothing later, and resolves to the paths of all.
 * An interrupted build leaves nothing in the cache. Throws an Error with the end of the compiler's output.
 */
export async function buildBinaries(sources: BinarySources, options: BuildOptions): Promise<Binaries> {
  const found: Record<string, string> = {};
  for (const family of familiesOf(sources)) {
    const directory = await directoryOf(family, sources.cacheRoot);
    const programs = wanted(family, sources);
    const missing = () => programs.filter((program) => !existsSync(join(directory, program)));
    const build = async () => {
      if (missing().length > 0) await buildInto(directory, family, missing(), options);
    };
    if (missing().length > 0) {
      await mkdir(sources.cacheRoot, { recursive: true });
      const onWait = () => options.say(`another process is building ${family.name}; waiting for it`);
      await oneAtATime(`${directory}.lock`, build, { onWait, signal: options.signal });
    }
    for (const program of Object.keys(family.programs))
      found[program] = programs.includes(program) ? join(directory, program) : assetIn(sources.assets ?? "", program);
  }
  return found;
}

/**
 * The families to build. Throws if the directory of assets lacks a program, so that no minutes are spent on building
 * the others first.
 */
function familiesOf(sources: BinarySources): Family[] {
  const { families = CLUSTER, assets } = sources;
  const found = FAMILIES.filter(({ name }) => families.includes(name));
  if (assets === undefined) return found;
  for (const family of found) {
    const built = wanted(family, sources);
    for (const program of Object.keys(family.programs)) if (!built.includes(program)) assetIn(assets, program);
  }
  return found;
}

function wanted(family: Family, { assets }: BinarySources): string[] {
  const programs = Object.keys(family.programs);
  const replaced: readonly string[] = assets === undefined ? [] : REPLACEABLE;
  return programs.filter((program) => !replaced.includes(program));
}

function assetIn(assets: string, program: string): string {
  const file = join(assets, program);
  if (existsSync(file)) return file;
  throw new Error(
    `KUBEBUILDER_ASSETS is ${assets}, which has no ${program}. Put ${REPLACEABLE.join(", ")} there, or unset it to have them built.`,
  );
}

/**
 * The directory of a family's programs. Its name contains a hash of everything that decides the outcome of a build, so
 * that a new version never meets an old program.
 */
async function directoryOf(family: Family, cacheRoot: string): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([family.programs, family.flags]));
  const files = (await readdir(join(MODULES, family.name))).toSorted();
  for (const file of files) hash.update(file).update(await readFile(join(MODULES, family.name, file)));
  return join(cacheRoot, `${family.name}-${hash.digest("hex").slice(0, 16)}`);
}

async function buildInto(
  directory: string,
  family: Family,
  programs: readonly string[],
  { say, signal }: BuildOptions,
): Promise<void> {
  const partial = `${directory}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  try {
    const [first = ""] = programs;
    const names = programs.join(", ");
    const startedAt = performance.now();
    say(
      `building ${names}${programs.some((program) => SLOW.includes(program)) ? ", which takes some minutes the first time" : ""}`,
    );
    // Builds all programs in one call, so that one is compiled while another is linked by a single processor. In a
    // directory, they are named for their packages.
    const output = programs.length > 1 ? `${partial}/` : join(partial, first);
    const packages = programs.map((program) => family.programs[program] ?? "");
    await runGo(
      ["build", "-buildvcs=false", ...family.flags, "-o", output, ...packages],
      join(MODULES, family.name),
      signal,
    );
    say(`built ${names} in ${Math.round((performance.now() - startedAt) / 1000)} s`);
    await mkdir(directory, { recursive: true });
    // Moves the programs one by one, each in one step. Another build of the same programs may have been faster, with
    // the same outcome.
    for (const program of programs) await rename(join(partial, program), join(directory, program));
    await writeFile(join(directory, "README"), `Built for the test clusters from the Go module of ${family.name}.\n`);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function runGo(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  // Runs at the lowest priority, because a build of minutes must leave the machine usable. Without C, so that the
  // programs run on any distribution.
  const child = spawn("nice", ["-n", "19", "go", ...args], {
    cwd,
    signal,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  if (code !== 0) throw new Error(`go ${args.join(" ")} (in ${cwd}) ended with ${code}:\n${said}`);
}

function kubernetesLinkerFlags(): string {
  const [major = "", minor = ""] = KUBERNETES.split(".");
  const facts = { gitVersion: `v${KUBERNETES}`, gitMajor: major, gitMinor: minor };
  const settings = Object.entries(facts).map(([name, value]) => `-X ${VERSION_PACKAGE}.${name}=${value}`);
  return ["-s -w", ...settings].join(" ");
}
