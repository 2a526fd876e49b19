import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT_ROOT } from "../project-root.ts";

/** A file of the page, as it is sent. */
export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
}

/** The files of the page, as build.js writes them. */
const FILES = {
  "index.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;

/** Reads the page, file by file. */
export async function readPage(directory = join(PROJECT_ROOT, "dist", "ui")): Promise<ReadonlyMap<string, PageFile>> {
  const files = Object.entries(FILES).map(async ([name, type]) => {
    return [name, { type, content: await readFile(join(directory, name)) }] as const;
  });
  return new Map(await Promise.all(files));
}
