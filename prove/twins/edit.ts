import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Plugin } from "esbuild";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";

/** One expression of the app's source, and what stands in its place in another build. */
export interface Edit {
  /** From the project's root. */
  readonly file: string;
  /** As the source has it, line breaks included: there once, and once only. */
  readonly find: string;
  readonly put: string;
}

/** The source with the edit made. Throws an Error where what it looks for is missing, or there more than once. */
export function edited(source: string, { file, find, put }: Edit): string {
  const parts = source.split(find);
  if (parts.length === 2) return parts.join(put);
  throw new Error(`${file} has ${parts.length - 1} times, and not once:\n${find}`);
}

/** Makes edits while a bundle is built. The build fails where one can't be made, or its file is no part of the bundle. */
export function editing(edits: readonly Edit[]): Plugin {
  const byFile = new Map<string, Edit[]>();
  for (const edit of edits) {
    const path = resolve(PROJECT_ROOT, edit.file);
    byFile.set(path, [...(byFile.get(path) ?? []), edit]);
  }
  return {
    name: "editing",
    setup(build) {
      const left = new Set(byFile.keys());
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const wanted = byFile.get(path);
        if (wanted === undefined) return undefined;
        left.delete(path);
        return { contents: wanted.reduce(edited, await readFile(path, "utf8")), loader: "ts" };
      });
      build.onEnd(() => ({ errors: [...left].map((path) => ({ text: `${path} is not in the bundle` })) }));
    },
  };
}
