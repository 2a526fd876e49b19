import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Node, parseSync, Visitor } from "oxc-parser";
import { glob } from "tinyglobby";

/** A piece of a source file: the characters from `start` up to, but not including, `end`. */
export interface CodePlace {
  /** The path from the project's root. */
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

const MARKER = /^ guard: (.+)$/;

/** Reads the sources of the app and of the standalone host. The keys are paths from the root. */
export async function readSources(root: string): Promise<ReadonlyMap<string, string>> {
  const files = await glob(["functions/**/*.ts", "host/**/*.ts", "shared/**/*.ts"], { cwd: root });
  const texts = await Promise.all(files.map((file) => readFile(join(root, file), "utf8")));
  return new Map(files.toSorted().map((file) => [file, texts[files.indexOf(file)] ?? ""]));
}

/**
 * Finds the code below each comment `// guard: NAME`: the statement, property or element that begins there. Other
 * comments may stand in between. Throws an Error if a name stands twice, or if no code begins below a marker.
 */
export function markersIn(sources: ReadonlyMap<string, string>): ReadonlyMap<string, CodePlace> {
  const places = new Map<string, CodePlace>();
  for (const [file, source] of sources) {
    if (!source.includes("// guard: ")) continue;
    const { program, comments } = parseSync(file, source);
    const ends = endsByStart(program);
    for (const comment of comments) {
      const name = MARKER.exec(comment.value)?.[1];
      if (name === undefined) continue;
      const start = afterComments(source, comment.end);
      const end = ends.get(start);
      if (end === undefined) throw new Error(`${file}: no code begins below "// guard: ${name}"`);
      if (places.has(name)) throw new Error(`"// guard: ${name}" stands in ${places.get(name)?.file} and in ${file}`);
      places.set(name, { file, start, end });
    }
  }
  return places;
}

/**
 * Finds the value of the constant of this name. Throws an Error if no file has such a constant, or if several have one.
 */
export function constantIn(sources: ReadonlyMap<string, string>, name: string): CodePlace {
  const found: CodePlace[] = [];
  for (const [file, source] of sources) {
    if (!source.includes(`const ${name} = `)) continue;
    new Visitor({
      VariableDeclarator({ id, init }) {
        if (id.type === "Identifier" && id.name === name && init)
          found.push({ file, start: init.start, end: init.end });
      },
    }).visit(parseSync(file, source).program);
  }
  const [only, another] = found;
  if (only && !another) return only;
  throw new Error(`the source has ${found.length} constants ${name}, and should have one`);
}

/**
 * Finds the end of the largest piece of code that begins at each position, so that a marker means a statement and not
 * its first word.
 */
function endsByStart(program: ReturnType<typeof parseSync>["program"]): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  const note = ({ start, end }: Node) => void ends.set(start, Math.max(end, ends.get(start) ?? 0));
  const visitor: Record<string, (node: Node) => void> = {};
  for (const type of MARKABLE) visitor[type] = note;
  new Visitor(visitor).visit(program);
  return ends;
}

/** The kinds of code that a marker can stand above: statements, properties of an object, elements of an array. */
const MARKABLE = [
  "ExportNamedDeclaration",
  "ExpressionStatement",
  "FunctionDeclaration",
  "IfStatement",
  "MemberExpression",
  "ObjectExpression",
  "Property",
  "ReturnStatement",
  "VariableDeclaration",
];

/** Finds the code that follows a comment. It skips white space and other comments. */
function afterComments(source: string, from: number): number {
  return from + (/^(?:\s|\/\/[^\n]*\n)*/.exec(source.slice(from))?.[0].length ?? 0);
}
