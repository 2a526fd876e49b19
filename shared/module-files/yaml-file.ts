import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** A place in a file, both counted from 1. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** A parsed YAML or JSON file that knows where each of its values stands. */
export interface YamlFile {
  readonly value: unknown;
  /**
   * Finds the place of the value at this path, or of its key. If the path leads nowhere, it is the place of the nearest
   * value around it.
   */
  locate(path: readonly PropertyKey[], part?: "key" | "value"): Position;
}

/** A mistake in the YAML: its place, and what the parser says. */
export interface YamlError extends Position {
  readonly text: string;
}

/** Parses one document of YAML 1.2, which includes JSON, with merge keys (`<<`). */
export function parseYaml(text: string): YamlFile | { readonly errors: readonly YamlError[] } {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, merge: true });
  const positionOf = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0)
    return { errors: document.errors.map(({ pos, message }) => ({ ...positionOf(pos[0]), text: oneLine(message) })) };
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // The document has an alias without its anchor, or too many aliases.
    return { errors: [{ line: 1, column: 1, text: oneLine(error instanceof Error ? error.message : String(error)) }] };
  }
  return { value, locate: (path, part = "value") => positionOf(offsetOf(document, path, part)) };
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], part: "key" | "value"): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    const found = childOf(resolved(document, node), step);
    if (!found) return offset;
    const isLast = index === path.length - 1;
    const value = startOf(found.value);
    // If nothing follows the key, the key is the place to look at.
    const nothing = isScalar(found.value) && found.value.value === null;
    offset = ((isLast && part === "key") || nothing ? found.key : value) ?? found.key ?? value ?? offset;
    node = found.value;
  }
  return offset;
}

function childOf(node: unknown, step: PropertyKey): { key: number | undefined; value: unknown } | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(step)];
    return value === undefined ? undefined : { key: startOf(value), value };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : String(key)) === String(step));
  return pair && { key: startOf(pair.key), value: pair.value };
}

function resolved(document: Document.Parsed, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node satisfies Node).range?.[0] : undefined;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
