/**
 * An entry of a tar archive. All entries belong to root and have no time, so that the same content makes the same
 * bytes.
 */
export type TarEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const BLOCK = 512;
const TYPE_FLAGS = { file: "0", link: "2", directory: "5" } as const;

/** Makes a tar archive (POSIX ustar) in memory. Throws if a path is longer than its header has space for. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    if (entry.kind !== "file") return [header(entry, 0)];
    const padding = Buffer.alloc((BLOCK - (entry.content.byteLength % BLOCK)) % BLOCK);
    return [header(entry, entry.content.byteLength), entry.content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header(entry: TarEntry, size: number): Buffer {
  const path = entry.kind === "directory" ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(path) > 100) throw new Error(`the path is too long for a tar header, shorten it: ${path}`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset);
  block.write(path, 0);
  octal(entry.kind === "link" ? 0o777 : entry.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write(TYPE_FLAGS[entry.kind], 156);
  if (entry.kind === "link") block.write(entry.target, 157);
  block.write("ustar\u000000", 257);
  // The checksum is taken with its own field as spaces.
  block.write(" ".repeat(8), 148);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}
