/** The colours of a terminal, by the codes of escape sequences that the command uses. */
const COLOURS: Readonly<Record<string, string>> = { 31: "#ff9f96", 32: "#7ed7a1", 33: "#f0c468", 36: "#7fd3e6" };
const [INK, MUTED, PAGE, BAR] = ["#e7eaf0", "#9ba5b4", "#0f1216", "#1f242c"];

/** The size of a letter, in pixels. */
const [WIDTH, HEIGHT] = [8.4, 20];
const [MARGIN, TITLE] = [20, 36];

/** A part of a line that looks the same all over. */
interface Part {
  readonly text: string;
  readonly codes: ReadonlySet<string>;
}

/** Draws what a command printed, with its colours, as an SVG of a terminal. No line is cut or wrapped. */
export function textPicture(command: string, printed: string): string {
  const lines = printed.trimEnd().split("\n").map(partsOf);
  const columns = Math.max(...lines.map((parts) => parts.reduce((sum, { text }) => sum + text.length, 0)));
  const [width, height] = [Math.ceil(2 * MARGIN + columns * WIDTH), TITLE + 2 * MARGIN + lines.length * HEIGHT];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<rect width="${width}" height="${height}" rx="8" fill="${PAGE}"/>
<path d="M0 ${TITLE}V8a8 8 0 0 1 8-8H${width - 8}a8 8 0 0 1 8 8V${TITLE}z" fill="${BAR}"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14" xml:space="preserve" fill="${INK}">
<text x="${MARGIN}" y="23" fill="${MUTED}">$ ${escaped(command)}</text>
${lines.flatMap((parts, line) => lineOf(parts, TITLE + MARGIN + (line + 0.7) * HEIGHT)).join("\n")}
</g>
</svg>
`;
}

/** Takes a line apart at its escape sequences, of which only those for colours mean anything here. */
function partsOf(line: string): Part[] {
  const codes = new Set<string>();
  const parts: Part[] = [];
  // oxlint-disable-next-line no-control-regex -- These are what a terminal is told.
  for (const [index, piece] of line.split(/\u001b\[([\d;]*)m/).entries()) {
    if (index % 2 === 0) {
      if (piece !== "") parts.push({ text: piece, codes: new Set(codes) });
    } else for (const code of piece.split(";")) apply(codes, code);
  }
  return parts;
}

function apply(codes: Set<string>, code: string): void {
  if (code === "" || code === "0") codes.clear();
  else if (code === "22") for (const one of ["1", "2"]) codes.delete(one);
  else if (code === "39") for (const one of Object.keys(COLOURS)) codes.delete(one);
  else codes.add(code);
}

/** Each word stands at its column, whichever font there is. */
function lineOf(parts: readonly Part[], y: number): string[] {
  const spans: string[] = [];
  let column = 0;
  for (const { text, codes } of parts) {
    const look = lookOf(codes);
    for (const { 0: word, index } of text.matchAll(/\S+(?: \S+)*/g)) {
      const x = (MARGIN + (column + index) * WIDTH).toFixed(1);
      spans.push(
        `<text x="${x}" y="${y}" textLength="${(word.length * WIDTH).toFixed(1)}"${look}>${escaped(word)}</text>`,
      );
    }
    column += text.length;
  }
  return spans;
}

function lookOf(codes: ReadonlySet<string>): string {
  const colour = Object.entries(COLOURS).find(([code]) => codes.has(code))?.[1] ?? (codes.has("2") ? MUTED : undefined);
  return `${colour === undefined ? "" : ` fill="${colour}"`}${codes.has("1") ? ' font-weight="bold"' : ""}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
