import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";

/** How many of its last bytes a container's log keeps at least. It keeps at most twice as many. */
const MAX_FILE_BYTES = 10 * 1024 * 1024;

/** A log file that is put aside when it is full, so that a container can't fill the disk. */
export class ContainerLog {
  readonly #path: string;
  #file: number | undefined;
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, "w", 0o600);
  }

  write(chunk: Uint8Array): void {
    if (this.#file === undefined) return;
    if (this.#bytes >= MAX_FILE_BYTES) {
      closeSync(this.#file);
      renameSync(this.#path, `${this.#path}.1`);
      this.#file = openSync(this.#path, "w", 0o600);
      this.#bytes = 0;
    }
    // Writes at once, so that a reader who sees that the container ended finds its last line.
    writeSync(this.#file, chunk);
    this.#bytes += chunk.byteLength;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** All that is kept of a log; empty if there is none. */
export function readContainerLog(path: string): Buffer {
  return Buffer.concat([readIfThere(`${path}.1`), readIfThere(path)]);
}

/** The last `lines` lines of a log. */
export function tailLines(log: Buffer, lines: number): Buffer {
  if (lines === 0) return Buffer.alloc(0);
  let found = 0;
  // The newline that ends the last line begins no further line.
  for (let index = log.length - 2; index >= 0; index -= 1) {
    if (log[index] === 0x0a) found += 1;
    if (found === lines) return log.subarray(index + 1);
  }
  return log;
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
