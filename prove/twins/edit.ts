import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Plugin } from "esbuild";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { type CodePlace, constantIn, markersIn, readSources } from "./guard-markers.ts";

/** What stands in a build in place of a piece of the app's source. */
export type Edit = GuardEdit | ConstantEdit;

/** Replaces the code below a marker comment. */
export interface GuardEdit {
  /** What the marker says after `// guard: `: a guard's name, then, if it stands in several places, a comma and the place's own name. */
  readonly guard: string;
  /** The code that takes its place. A function is given the code below any marker, so that two pieces can change places. */
  readonly put: string | ((codeAt: (guard: string) => string) => string);
}

/** Gives a constant of the app another value. */
interface ConstantEdit {
  readonly constant: string;
  readonly put: string;
}

/** One replacement in one file: the characters from `start` up to `end` become `put`. */
interface Replacement extends CodePlace {
  readonly put: string;
}

/** The marker comments of `shared/`, by what they say. Throws an Error if two markers say the same. */
export async function guardPlaces(): Promise<ReadonlyMap<string, CodePlace>> {
  return markersIn(await readSources(PROJECT_ROOT));
}

/**
 * Makes edits while a bundle is built. The build fails if the source has no such marker or constant, if an edit changes nothing, or if its
 * file is no part of the bundle.
 */
export function editing(edits: readonly Edit[], root = PROJECT_ROOT): Plugin {
  return {
    name: "editing",
    async setup(build) {
      const sources = await readSources(root);
      const byFile = new Map<string, Replacement[]>();
      for (const replacement of replacements(edits, sources)) {
        const path = resolve(root, replacement.file);
        byFile.set(path, [...(byFile.get(path) ?? []), replacement]);
      }
      const left = new Set(byFile.keys());
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const wanted = byFile.get(path);
        if (wanted === undefined) return undefined;
        left.delete(path);
        return { contents: edited(await readFile(path, "utf8"), wanted), loader: "ts" };
      });
      build.onEnd(() => ({ errors: [...left].map((path) => ({ text: `${path} is not in the bundle` })) }));
    },
  };
}

/** Where the edits are made, and the code that they put there. */
function replacements(edits: readonly Edit[], sources: ReadonlyMap<string, string>): Replacement[] {
  const places = markersIn(sources);
  const placeOf = (guard: string): CodePlace => {
    const place = places.get(guard);
    if (place === undefined) throw new Error(`no comment "// guard: ${guard}" stands in shared/`);
    return place;
  };
  const codeOf = ({ file, start, end }: CodePlace) => (sources.get(file) ?? "").slice(start, end);
  return edits.map((edit) => {
    const place = "guard" in edit ? placeOf(edit.guard) : constantIn(sources, edit.constant);
    const put = typeof edit.put === "string" ? edit.put : edit.put((guard) => codeOf(placeOf(guard)));
    if (put.trim() === codeOf(place).trim())
      throw new Error(`${"guard" in edit ? edit.guard : edit.constant}: the edit changes nothing`);
    return { ...place, put };
  });
}

/** The source with the replacements made. Throws an Error if two of them overlap. */
function edited(source: string, wanted: readonly Replacement[]): string {
  let text = source;
  let upTo = source.length;
  for (const { start, end, put, file } of wanted.toSorted((a, b) => b.start - a.start)) {
    if (end > upTo) throw new Error(`${file}: two edits overlap`);
    text = text.slice(0, start) + put + text.slice(end);
    upTo = start;
  }
  return text;
}
