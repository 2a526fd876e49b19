import { resolve } from "node:path";
import type { Plugin } from "esbuild";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { type CodePlace, constantIn, markersIn, readSources } from "./guard-markers.ts";

/** A change to the source of the app, or of the standalone host, that is made in one build only. */
export type Edit = GuardEdit | ConstantEdit;

/** Replaces the code below a marker comment, so that the build lacks a guard. */
export interface GuardEdit {
  /**
   * The marker's text after `// guard: `. It is the guard's name; a guard in several places has a comma and the place's
   * name too.
   */
  readonly guard: string;
  /**
   * The code that is put there instead. A function can read the code below any marker, so that two pieces can change
   * places.
   */
  readonly put: string | ((codeAt: (guard: string) => string) => string);
}

/** Gives a constant another value. */
interface ConstantEdit {
  readonly constant: string;
  readonly put: string;
}

/**
 * Has a replica leave no tick to another one: the lease of the ticks ends as it is taken. So all replicas tick at once,
 * which has to be harmless.
 */
export const TICKS_UNSHARED: ConstantEdit = { constant: "TICK_LEASE_MS", put: "0" };

/**
 * Has the app settle deliveries as in a Functions host: it finds none that the standalone host offers in its process,
 * and the arguments with which a Functions host starts its worker.
 */
export const BY_FUNCTIONS_HOST: ConstantEdit = {
  constant: "OFFERED",
  put: '(process.argv.push("--functions-uri", process.env["PROOF_SETTLEMENT_URI"] ?? ""), Symbol("no deliveries"))',
};

/** One replacement in one file: the characters from `start` up to `end` become `put`. */
interface Replacement extends CodePlace {
  readonly put: string;
}

/**
 * Finds the code below each marker comment, by the marker's text. Rejects if two markers have the same text.
 */
export async function guardPlaces(): Promise<ReadonlyMap<string, CodePlace>> {
  return markersIn(await readSources(PROJECT_ROOT));
}

/** Parts edits by the program that they change: the app, or the standalone host. */
export async function parted(
  edits: readonly Edit[],
): Promise<{ readonly app: readonly Edit[]; readonly host: readonly Edit[] }> {
  const placeOf = placesIn(await readSources(PROJECT_ROOT));
  const isInHost = (edit: Edit) => placeOf(edit).file.startsWith("host/");
  return { app: edits.filter((edit) => !isInHost(edit)), host: edits.filter(isInHost) };
}

/**
 * Makes the esbuild plugin that makes these edits. The build fails if the source has no such marker or constant, if an
 * edit changes nothing, or if the edited file is not in the bundle.
 */
export function editing(edits: readonly Edit[], root = PROJECT_ROOT): Plugin {
  return {
    name: "editing",
    async setup(build) {
      const changed = editedSources(edits, await readSources(root));
      const byPath = new Map([...changed].map(([file, contents]) => [resolve(root, file), contents]));
      const left = new Set(byPath.keys());
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = byPath.get(path);
        left.delete(path);
        return contents === undefined ? undefined : { contents, loader: "ts" };
      });
      build.onEnd(() => ({ errors: [...left].map((path) => ({ text: `${path} is not in the bundle` })) }));
    },
  };
}

/**
 * Makes edits in sources. Returns the changed ones, by their paths from the root. Throws an Error if the sources have
 * no such marker or constant, if an edit changes nothing, or if two edits overlap.
 */
export function editedSources(
  edits: readonly Edit[],
  sources: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const byFile = new Map<string, Replacement[]>();
  for (const replacement of replacements(edits, sources))
    byFile.set(replacement.file, [...(byFile.get(replacement.file) ?? []), replacement]);
  return new Map([...byFile].map(([file, wanted]) => [file, edited(sources.get(file) ?? "", wanted)]));
}

/** Gives what finds the place of an edit. It throws an Error if the sources have no such marker or constant. */
function placesIn(sources: ReadonlyMap<string, string>) {
  const places = markersIn(sources);
  return (edit: Pick<GuardEdit, "guard"> | Pick<ConstantEdit, "constant">): CodePlace => {
    if ("constant" in edit) return constantIn(sources, edit.constant);
    const place = places.get(edit.guard);
    if (place === undefined) throw new Error(`no comment "// guard: ${edit.guard}" stands in the source`);
    return place;
  };
}

/** Finds the place of each edit, and the code to put there. */
function replacements(edits: readonly Edit[], sources: ReadonlyMap<string, string>): Replacement[] {
  const placeOf = placesIn(sources);
  const codeOf = ({ file, start, end }: CodePlace) => (sources.get(file) ?? "").slice(start, end);
  return edits.map((edit) => {
    const place = placeOf(edit);
    const put = typeof edit.put === "string" ? edit.put : edit.put((guard) => codeOf(placeOf({ guard })));
    if (put.trim() === codeOf(place).trim())
      throw new Error(`${"guard" in edit ? edit.guard : edit.constant}: the edit changes nothing`);
    return { ...place, put };
  });
}

/** Makes the replacements in a source. Throws an Error if two of them overlap. */
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
