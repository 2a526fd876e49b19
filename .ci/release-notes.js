// Prints what CHANGELOG.md says of one version. Ends with 1, saying why, where the version is none, package.json has another, or nothing is said.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const USAGE = `usage: node .ci/release-notes.js [FLAGS] VERSION

Prints what CHANGELOG.md says of one version.

  --directory PATH  of CHANGELOG.md and package.json (those of this checkout)
  -h, --help        print this, and end
  --version         print the version in package.json, and end
`;

const { values, positionals } = readFlags();
const [version = ""] = positionals;
const read = (file) => readFileSync(join(values.directory, file), "utf8");

if (values.help || values.version) {
  process.stdout.write(values.help ? USAGE : `${JSON.parse(read("package.json")).version}\n`);
  process.exit(0);
}

function readFlags() {
  const [help, isVersion] = [{ type: "boolean", short: "h" }, { type: "boolean" }];
  const directory = { type: "string", default: join(import.meta.dirname, "..") };
  try {
    return parseArgs({ allowPositionals: true, options: { directory, help, version: isVersion } });
  } catch {
    process.stderr.write(`release-notes takes no such flags: ${process.argv.slice(2).join(" ")}\n${USAGE}`);
    return process.exit(2);
  }
}

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
