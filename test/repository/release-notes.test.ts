import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const CHANGELOG = `# Changelog

## Unreleased

- Not yet.

## 1.10.0 (2026-11-24)

- New.

### Notes

- More of it.

## 1.1.0

## 1.0.0

- First.
`;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "release-notes-"));
  writeFileSync(join(directory, "CHANGELOG.md"), CHANGELOG);
});
afterEach(() => rmSync(directory, { recursive: true }));

function notes(version: string, declared = version) {
  writeFileSync(join(directory, "package.json"), JSON.stringify({ version: declared }));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [".ci/release-notes.js", version, "--directory", directory],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

test("prints what the changelog says of the version, up to the next one", () => {
  expect(notes("1.10.0")).toEqual({ status: 0, stdout: "- New.\n\n### Notes\n\n- More of it.\n", stderr: "" });
  expect(notes("1.0.0").stdout).toBe("- First.\n");
});

test.each([
  { name: "a version that the changelog doesn't have", version: "1.1.1", says: 'nothing under "## 1.1.1"' },
  { name: "one of which it says nothing", version: "1.1.0", says: 'nothing under "## 1.1.0"' },
  { name: "one that only begins like another", version: "1.1", says: "no version" },
  { name: "what is not released", version: "Unreleased", says: "no version" },
  { name: "another version than package.json's", version: "1.0.0", declared: "1.10.0", says: "package.json 1.10.0" },
])("refuses $name", ({ version, declared, says }) => {
  const refused = notes(version, declared);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain(says);
});
