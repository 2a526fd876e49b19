// Prints what CHANGELOG.md says of one version. Ends with 1, saying why, where the version is none, package.json has another, or nothing is said.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { directory: { type: "string", default: join(import.meta.dirname, "..") } },
});
const [version = ""] = positionals;
const read = (file) => readFileSync(join(values.directory, file), "utf8");

function fail(why) {
  process.stderr.write(`release-notes: ${why}\n`);
  process.exit(1);
}

if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  fail(`"${version}" is no version: tag the release like v1.2.3 or v1.2.3-rc.1`);
const declared = JSON.parse(read("package.json")).version;
if (declared !== version) fail(`the tag says ${version}, package.json ${declared}: set both to the same`);

const chapters = read("CHANGELOG.md").split(/^## /m).slice(1);
const chapter = chapters.find((text) => text.split(/\s/, 1)[0] === version);
const notes = chapter?.slice(chapter.indexOf("\n")).trim() ?? "";
if (notes === "") fail(`CHANGELOG.md says nothing under "## ${version}": rename "## Unreleased"`);
process.stdout.write(`${notes}\n`);
