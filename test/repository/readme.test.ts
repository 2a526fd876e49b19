import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { RULES } from "../../shared/run/decide.ts";
import { REASONS } from "../../shared/run/reasons.ts";
import { OPEN_STATUSES } from "../../shared/run/run.ts";

const README = readFileSync("README.md", "utf8");

/** The cells of the table whose first line begins like this, by row. */
function table(header: string): string[][] {
  const lines = README.split("\n");
  const start = lines.findIndex((line) => line.startsWith(header));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe("the README", () => {
  it("prints the table that decides", () => {
    const [header = [], , ...rows] = table("| | absent");
    const phases = header.slice(1).map((phase) => (phase === "not ours" ? "foreign" : phase));
    for (const [index, status] of OPEN_STATUSES.entries()) {
      const row = rows[index] ?? [];
      const rules = new Map(Object.entries(RULES[status]).map(([phase, rule]) => [phase, rule.name]));
      expect(row).toEqual([`\`${status}\``, ...phases.map((phase) => rules.get(phase))]);
    }
  });

  it("lists every reason", () => {
    expect(
      table("| reason | means")
        .slice(2)
        .map(([reason]) => reason),
    ).toEqual(REASONS.map((reason) => `\`${reason}\``));
  });

  it.each(["README.md", "docs/operate.md", "docs/reliability.md", "docs/scaling.md", "docs/settings.md"])(
    "links only to files that exist: %s",
    (file) => {
      const links = [...readFileSync(file, "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
        (match) => match[1] ?? "",
      );
      expect(links.filter((link) => !existsSync(join(dirname(file), link)))).toEqual([]);
    },
  );
});
