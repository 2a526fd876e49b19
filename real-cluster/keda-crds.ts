import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { PROJECT_ROOT } from "../local/stack/project-root.ts";
import type { Binaries } from "./binaries.ts";
import { KEDA_MODULES, type KedaRelease, NEWEST_KEDA } from "./keda-releases.ts";
import { makeKubectl } from "./kubectl.ts";

const run = promisify(execFile);
const MODULE = "github.com/kedacore/keda/v2";
const downloaded = z.object({ Dir: z.string(), Version: z.string() });

/**
 * Makes KEDA's kinds known to a cluster, as that release describes them, and resolves when the cluster takes such
 * objects. Repeating it is harmless.
 */
export async function installKedaCrds(
  kubeconfig: string,
  binaries: Binaries,
  release: KedaRelease = NEWEST_KEDA,
): Promise<void> {
  const kubectl = makeKubectl(binaries, kubeconfig);
  const directory = join((await kedaModule(release)).Dir, "config", "crd", "bases");
  // Applies them on the server, because they are too long for the annotation that a client would remember them in.
  await kubectl(["apply", "--server-side", "--force-conflicts", "--filename", directory]);
  await kubectl(["wait", "--for=condition=Established", "--timeout=60s", "--filename", directory]);
}

/** Resolves to the version of the newest KEDA, such as `v2.21.0`. */
export async function kedaVersion(): Promise<string> {
  return (await kedaModule(NEWEST_KEDA)).Version;
}

async function kedaModule(release: KedaRelease): Promise<z.output<typeof downloaded>> {
  const cwd = join(PROJECT_ROOT, "real-cluster", "go", KEDA_MODULES[release]);
  const { stdout } = await run("go", ["mod", "download", "-json", MODULE], { cwd });
  return downloaded.parse(JSON.parse(stdout));
}
