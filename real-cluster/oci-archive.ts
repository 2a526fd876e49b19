import { createHash } from "node:crypto";
import { type TarEntry, tar } from "./tar.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** An image of one layer. */
export interface OciImage {
  /** The image's names with registry and tag, as containerd knows it. */
  readonly names: readonly string[];
  readonly files: readonly TarEntry[];
  /** How its containers run, in the words of the image's configuration. */
  readonly config: {
    readonly Env: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly WorkingDir?: string;
    readonly User?: string;
  };
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly content: Buffer;
}

/** Makes an archive in the OCI layout, as `ctr images import` takes it. Content that images share is in it once. */
export function ociArchive(images: readonly OciImage[]): Buffer {
  const blobs = new Map<string, Blob>();
  const keep = (mediaType: string, content: Buffer): Blob => {
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    const blob = { mediaType, digest, size: content.byteLength, content };
    blobs.set(digest, blob);
    return blob;
  };
  const manifests = images.flatMap((image) => {
    const manifest = manifestOf(image, keep);
    return image.names.map((name) => ({
      ...descriptor(manifest),
      annotations: { "io.containerd.image.name": name },
    }));
  });
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
  return tar([
    file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
    file("index.json", JSON.stringify(index)),
    directory("blobs"),
    directory("blobs/sha256"),
    ...[...blobs.values()].map(({ digest, content }) => file(`blobs/${digest.replace(":", "/")}`, content)),
  ]);
}

/** A directory of an archive, which all users may read. */
export function directory(path: string): TarEntry {
  return { kind: "directory", path, mode: 0o755 };
}

/** A file of an archive, which all users may read. */
export function file(path: string, content: string | Buffer): TarEntry {
  return { kind: "file", path, mode: 0o644, content: Buffer.from(content) };
}

function manifestOf(image: OciImage, keep: (mediaType: string, content: Buffer) => Blob): Blob {
  const layer = keep(LAYER, tar(image.files));
  const config = json({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: image.config,
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(keep(CONFIG, config)),
    layers: [descriptor(layer)],
  };
  return keep(MANIFEST, json(manifest));
}

function descriptor({ mediaType, digest, size }: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size };
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
