import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { JournalRecord } from "./journal-record.ts";
import { KeptMessages } from "./kept-messages.ts";

/** How many records a line of a compacted journal holds. */
const RECORDS_A_LINE = 64;

/**
 * A file of lines, each with a checksum and the JSON of the changes of one turn, so that a turn is kept as a whole or
 * not at all.
 */
export interface JournalFile {
  /** Appends the changes of a turn. Resolves when they are on the disk. */
  append(records: readonly JournalRecord[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reads a journal, writes it anew without what is over, and opens it for more. It begins empty if there is none. A last
 * line that was torn, because the process was killed while it wrote, is dropped: nothing in it was confirmed. Throws an
 * Error that names the file if an earlier line is damaged.
 */
export async function openJournal(path: string): Promise<{ kept: KeptMessages; file: JournalFile }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const kept = await readJournal(path);
  const draft = `${path}.new`;
  const handle = await open(draft, "w", 0o600);
  let batch: JournalRecord[] = [];
  for (const record of kept.records()) {
    batch.push(record);
    if (batch.length < RECORDS_A_LINE) continue;
    await handle.appendFile(lineOf(batch));
    batch = [];
  }
  if (batch.length > 0) await handle.appendFile(lineOf(batch));
  await handle.sync();
  await rename(draft, path);
  await syncDirectory(dirname(path));
  return { kept, file: opened(path, handle) };
}

function opened(path: string, handle: FileHandle): JournalFile {
  return {
    async append(records) {
      try {
        await handle.appendFile(lineOf(records));
        await handle.datasync();
      } catch (error) {
        throw new Error(`${path} can't be written, so the broker ends. Make space on the disk`, { cause: error });
      }
    },
    close: () => handle.close(),
  };
}

/** A new name in a directory survives a lost machine only if the directory is synced. Windows has no such call. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  await handle.sync();
  await handle.close();
}

function lineOf(records: readonly JournalRecord[]): string {
  const text = JSON.stringify(records);
  return `${checksum(text)} ${text}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

async function readJournal(path: string): Promise<KeptMessages> {
  const kept = new KeptMessages();
  let number = 0;
  let damaged: number | undefined;
  for await (const line of linesOf(path)) {
    number += 1;
    if (damaged !== undefined)
      throw new Error(
        `${path}: line ${damaged} is damaged, and others follow it. Forget what is kept by starting with --fresh`,
      );
    const records = recordsOf(line);
    if (records === undefined) damaged = number;
    else for (const record of records) kept.apply(record);
  }
  return kept;
}

/** Reads the changes of a line; undefined if it is not whole. */
function recordsOf(line: string): JournalRecord[] | undefined {
  const text = line.slice(9);
  if (line[8] !== " " || line.slice(0, 8) !== checksum(text)) return undefined;
  return JSON.parse(text);
}

/** The lines of a file, none if it is missing. The last one may lack its line feed. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest: string[] = [];
  try {
    const chunks: AsyncIterable<string> = createReadStream(path, { encoding: "utf8", highWaterMark: 1 << 20 });
    for await (const chunk of chunks) {
      const [first = "", ...lines] = chunk.split("\n");
      rest.push(first);
      for (const next of lines) {
        yield rest.join("");
        rest = [next];
      }
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  const last = rest.join("");
  if (last !== "") yield last;
}
