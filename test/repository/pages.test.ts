import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { globSync } from "tinyglobby";
import { describe, expect, it } from "vitest";

const PAGES = ["README.md", "CHANGELOG.md", ...globSync("docs/**/*.md")].toSorted();
const WIDTH = 100;

/** The name that a heading gets as the target of a link. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

const anchors = (file: string) =>
  [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchor(heading));

describe("the pages", () => {
  it.each(PAGES)("link only to files and headings that exist: %s", (file) => {
    const links = [...readFileSync(file, "utf8").matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g)];
    const broken = links.filter(([, path = "", heading]) => {
      const target = path === "" ? file : join(dirname(file), path);
      return !existsSync(target) || (heading !== undefined && !anchors(target).includes(heading));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it.each(PAGES)("name only files of the project that exist: %s", (file) => {
    const named = [...readFileSync(file, "utf8").matchAll(/`([a-z][\w-]*\/[\w./-]+\.ts)`/g)].map(
      ([, path = ""]) => path,
    );
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
  });

  // A row of a table can't be broken.
  it.each(PAGES)("keep within 100 columns: %s", (file) => {
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => !line.startsWith("|"));
    expect(lines.filter((line) => line.length > WIDTH)).toEqual([]);
  });
});
