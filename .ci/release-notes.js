// Prints the chapter of CHANGELOG.md about one version. Ends with 1 and the reason if the version is not valid, if
// package.json has another one, or if CHANGELOG.md has no text about it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const USAGE = `usage: node .ci/release-notes.js [FLAGS] VERSION

Prints the chapter of CHANGELOG.md about one version.

  --directory PATH  where CHANGELOG.md and package.json are (this checkout)
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
    process.stderr.write(`release-notes does not know these flags: ${process.argv.slice(2).join(" ")}\n${USAGE}`);
    return process.exit(2);
  }
}

function fail(why) {
  process.stderr.write(`release-notes: ${why}\n`);
  process.exit(1);
}

if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  fail(`"${version}" is no version. Name the tag like v1.2.3 or v1.2.3-rc.1`);
const declared = JSON.parse(read("package.json")).version;
if (declared !== version) fail(`the tag says ${version}, package.json ${declared}. Make both the same`);

const chapters = read("CHANGELOG.md").split(/^## /m).slice(1);
const chapter = chapters.find((text) => text.split(/\s/, 1)[0] === version);
const notes = chapter?.slice(chapter.indexOf("\n")).trim() ?? "";
if (notes === "") fail(`CHANGELOG.md says nothing under "## ${version}". Rename its chapter "## Unreleased"`);
process.stdout.write(`${notes}\n`);
