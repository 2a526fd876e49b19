import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { type TarEntry, tar } from "./tar.ts";

/** The names under which the node has busybox; nothing else can be pulled. All are the one busybox of this machine. */
const BUSYBOX_NAMES = ["docker.io/library/busybox:latest", "docker.io/library/busybox:1.36"] as const;
/** The image of the process that holds a pod's namespaces. */
export const SANDBOX_IMAGE = "localhost/dispatcher-pause:1";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly content: Buffer;
}

/** An archive in the OCI layout with busybox and the sandbox image, made of the machine's statically linked busybox. */
export async function busyboxArchive(busybox: string): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(busybox, ["--list"]);
  const layer = blob(LAYER, tar(rootFiles(await readFile(busybox), stdout.trim().split("\n"))));
  const shell = image(layer, ["sh"]);
  const pause = image(layer, ["sleep", "2147483647"]);
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [...BUSYBOX_NAMES.map((name) => named(shell.manifest, name)), named(pause.manifest, SANDBOX_IMAGE)],
  };
  const blobs = [layer, shell.config, shell.manifest, pause.config, pause.manifest];
  return tar([
    file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
    file("index.json", JSON.stringify(index)),
    ...["blobs", "blobs/sha256"].map(directory),
    ...blobs.map(({ digest, content }) => file(`blobs/${digest.replace(":", "/")}`, content)),
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

function image(layer: Blob, command: readonly string[]): { config: Blob; manifest: Blob } {
  const config = jsonBlob(CONFIG, {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Env: [`PATH=${PATH}`], Cmd: command },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = jsonBlob(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(config),
    layers: [descriptor(layer)],
  });
  return { config, manifest };
}

function named(manifest: Blob, name: string): object {
  return { ...descriptor(manifest), annotations: { "io.containerd.image.name": name } };
}

function descriptor({ mediaType, digest, size }: Blob): object {
  return { mediaType, digest, size };
}

function jsonBlob(mediaType: string, value: object): Blob {
  return blob(mediaType, Buffer.from(JSON.stringify(value)));
}

function blob(mediaType: string, content: Buffer): Blob {
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  return { mediaType, digest, size: content.byteLength, content };
}

function directory(path: string): TarEntry {
  return { kind: "directory", path, mode: 0o755 };
}

function file(path: string, content: string | Buffer): TarEntry {
  return { kind: "file", path, mode: 0o644, content: Buffer.from(content) };
}
