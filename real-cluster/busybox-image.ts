import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { directory, file, ociArchive } from "./oci-archive.ts";
import type { TarEntry } from "./tar.ts";

/**
 * The image names under which the node has busybox. All are the one busybox of this machine, and no other image can be
 * pulled.
 */
const BUSYBOX_NAMES = ["docker.io/library/busybox:latest", "docker.io/library/busybox:1.36"] as const;
/** The image of the process that holds a pod's namespaces. */
export const SANDBOX_IMAGE = "localhost/dispatcher-pause:1";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * An archive in the OCI layout with busybox and the sandbox image, made from the machine's statically linked busybox.
 */
export async function busyboxArchive(busybox: string): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(busybox, ["--list"]);
  const files = rootFiles(await readFile(busybox), stdout.trim().split("\n"));
  const Env = [`PATH=${PATH}`];
  return ociArchive([
    { names: BUSYBOX_NAMES, files, config: { Env, Cmd: ["sh"] } },
    { names: [SANDBOX_IMAGE], files, config: { Env, Cmd: ["sleep", "2147483647"] } },
  ]);
}

function rootFiles(busybox: Buffer, applets: readonly string[]): TarEntry[] {
  return [
    ...["bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "var"].map(directory),
    { kind: "directory", path: "tmp", mode: 0o1777 },
    { kind: "file", path: "bin/busybox", mode: 0o755, content: busybox },
    ...applets
      .filter((applet) => applet !== "busybox")
      .map((applet): TarEntry => ({ kind: "link", path: `bin/${applet}`, target: "busybox" })),
    file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"),
    file("etc/group", "root:x:0:\nnobody:x:65534:\n"),
  ];
}
