import { plainText } from "./plain-text.ts";
import { styled } from "./style.ts";
import { plainUpTo, widthOf } from "./width.ts";

/** A column of a table. */
export interface Column<Row> {
  readonly head: string;
  /** The cell's text. It may come from outside. */
  text(row: Row): string;
  /** A column that shrinks if the terminal is too narrow, to this width at least. Others keep their width. */
  readonly least?: number;
  /** A column that is left out if all can't be shown otherwise, the one with the largest number first. */
  readonly drop?: number;
  /**
   * A column of sentences, which comes last. It takes several lines if it has to. If little room is left beside the
   * others, or too little for one of its words, it stands below its row. It is left out if no row has anything to say,
   * which is empty text.
   */
  readonly wraps?: true;
}

/** Between two columns. */
const GAP = "  ";
/** In front of what stands below its row. */
const INDENT = "    ";
/** Sentences that have less room than this beside the others, or a word that has none there, stand below. */
const LEAST_BESIDE = 32;
/** So many lines of sentences are shown of a row. */
const MOST_LINES = 4;

/**
 * Prints rows as people read them: a head, and a line for each row, its columns in line. On a terminal no line is wider
 * than the terminal: columns shrink, the widest first, or are left out, and sentences are wrapped. Elsewhere nothing is
 * cut, and a row is one line, because a program reads it.
 */
export function tableText<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY,
): string {
  const said = columns.filter((column) => !column.wraps || rows.some((row) => column.text(row) !== ""));
  const sentences = said.find(({ wraps }) => wraps);
  const facts = fitting(
    said.filter(({ wraps }) => !wraps),
    rows,
    width,
  );
  const widths = shrink(naturalWidths(facts, rows), facts, width - GAP.length * (facts.length - 1));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => padded(plainUpTo(text, widths[index] ?? Number.POSITIVE_INFINITY), widths[index] ?? 0))
      .join(GAP);
  const head = line(facts.map((column) => column.head));
  const lines = rows.map((row) => line(facts.map((column) => column.text(row))));
  if (!sentences) return [styled("bold", head.trimEnd()), ...lines.map((text) => text.trimEnd())].join("\n");

  const room = width - widthOf(head) - GAP.length;
  const words = rows.map((row) => plainText(sentences.text(row)));
  const longest = widestOf(words.flatMap((text) => text.split(" ")));
  const isBeside = room >= Math.max(longest, Math.min(LEAST_BESIDE, widestOf(words)));
  if (!isBeside)
    return [
      styled("bold", head.trimEnd()),
      ...rows.flatMap((_, index) => [
        (lines[index] ?? "").trimEnd(),
        ...wrapped(words[index] ?? "", width - INDENT.length).map((text) => `${INDENT}${text}`),
      ]),
    ].join("\n");
  const blank = " ".repeat(widthOf(head));
  return [
    styled("bold", `${head}${GAP}${sentences.head}`),
    ...rows.flatMap((_, index) => {
      const [first = "-", ...others] = wrapped(words[index] ?? "", room);
      return [`${lines[index]}${GAP}${first}`, ...others.map((text) => `${blank}${GAP}${text}`)];
    }),
  ].join("\n");
}

function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

function naturalWidths<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number[] {
  return columns.map((column) => widestOf([column.head, ...rows.map((row) => plainText(column.text(row)))]));
}

/** The width of the widest of these texts, which may be more than a call takes as arguments. */
function widestOf(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, widthOf(text)), 0);
}

/** Leaves columns out until the others fit, as narrow as they can be. */
function fitting<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): readonly Column<Row>[] {
  const natural = naturalWidths(columns, rows);
  const narrow = columns.map(({ least }, index) => Math.min(natural[index] ?? 0, least ?? Number.POSITIVE_INFINITY));
  if (sum(narrow) + GAP.length * (columns.length - 1) <= width) return columns;
  const last = Math.max(...columns.map(({ drop = 0 }) => drop));
  if (last === 0) return columns;
  return fitting(
    columns.filter(({ drop }) => drop !== last),
    rows,
    width,
  );
}

/** Takes columns away from the widest of those that may shrink, until all fit or none can shrink further. */
function shrink<Row>(natural: readonly number[], columns: readonly Column<Row>[], room: number): number[] {
  const widths = [...natural];
  const spare = (index: number) => (widths[index] ?? 0) - (columns[index]?.least ?? Number.POSITIVE_INFINITY);
  for (let over = sum(widths) - room; over > 0; over--) {
    const shrinkable = widths.map((_, index) => index).filter((index) => spare(index) > 0);
    const [widest] = shrinkable.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** Breaks a text at its spaces. What is longer than `most` lines ends in `…`. */
function wrapped(text: string, width: number, most = MOST_LINES): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest !== "" && lines.length < most - 1 && widthOf(rest) > width) {
    const part = plainUpTo(rest, width + 1).slice(0, -1);
    const space = part.lastIndexOf(" ");
    // A word is only cut if it has no room in a line of its own.
    const [word = ""] = rest.slice(space + 1).split(" ", 1);
    const end = space > 0 && (space > width / 2 || widthOf(word) <= width) ? space : part.length;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return rest === "" ? lines : [...lines, plainUpTo(rest, width)];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Breaks a text that is wider than the terminal, beside what stands before it, and nothing for a pipe. */
export function terminalLines(text: string, before = 0): string[] {
  const { isTTY, columns } = process.stdout;
  const lines = isTTY ? wrapped(text, columns - before, Number.POSITIVE_INFINITY) : [text];
  return lines.length === 0 ? [""] : lines;
}
