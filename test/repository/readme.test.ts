import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { describe, expect, it } from "vitest";
import { RULES } from "../../shared/run/decide.ts";
import { REASONS } from "../../shared/run/reasons.ts";
import { OPEN_STATUSES } from "../../shared/run/run.ts";

const README = readFileSync("README.md", "utf8");
const ARCHITECTURE = readFileSync("docs/architecture.md", "utf8");

/** The cells of the table of a page whose first line begins like this, by row. */
function table(page: string, header: string): string[][] {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => line.startsWith(header));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe("docs/architecture.md", () => {
  const [header = [], , ...rows] = table(ARCHITECTURE, "| | absent");

  it("prints the table that decides", () => {
    const phases = header.slice(1).map((phase) => (phase === "not ours" ? "foreign" : phase));
    expect(phases.toSorted()).toEqual(Object.keys(RULES.accepted).toSorted());
    expect(rows).toHaveLength(OPEN_STATUSES.length);
    for (const [index, status] of OPEN_STATUSES.entries()) {
      const row = rows[index] ?? [];
      const rules = new Map(Object.entries(RULES[status]).map(([phase, rule]) => [phase, rule.name]));
      expect(row).toEqual([`\`${status}\``, ...phases.map((phase) => rules.get(phase))]);
    }
  });

  it("explains every rule of the table", () => {
    const explained = [...ARCHITECTURE.matchAll(/^- \*\*(\w+)\*\*: /gm)].map(([, name]) => name);
    expect(new Set(rows.flatMap((row) => row.slice(1)))).toEqual(new Set(explained));
  });
});

describe("the README", () => {
  it("lists every reason", () => {
    expect(
      table(README, "| reason | means")
        .slice(2)
        .map(([reason]) => reason),
    ).toEqual(REASONS.map((reason) => `\`${reason}\``));
  });

  it("says in words what each of its pictures shows, which npm run pictures makes", () => {
    const pictures = [...README.matchAll(/!\[([^\]]*)\]\((docs\/images\/[\w.-]+)\)/g)];
    expect(new Set(pictures.map(([, , file]) => file))).toEqual(new Set(globSync("docs/images/*")));
    for (const [, words = ""] of pictures) expect(words.split(/\s+/).length).toBeGreaterThan(8);
  });

  it.each(globSync("docs/images/*.svg"))("shows of the machine on which %s was made nothing", (file) => {
    const svg = readFileSync(file, "utf8");
    expect(svg).toMatch(/^<svg /);
    expect(svg).not.toMatch(/\/(home|root|tmp|work|Users)\b|@(?!desk\b)|<script|href=/);
  });

  it("has at most 1,200 words outside its code blocks", () => {
    const words = README.replaceAll(/^```.*?^```/gms, "").match(/\S+/g) ?? [];
    expect(words.length).toBeLessThanOrEqual(1_200);
  });
});
