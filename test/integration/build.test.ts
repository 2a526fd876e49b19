import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "../support/run-program.ts";

// These tests run build.js on a project of a few lines, which builds at once. They check what makes it build again, and
// what doesn't.

const HOST = /const HOST = "(.*)"/.exec(readFileSync(join(ROOT, "build.js"), "utf8"))?.[1] ?? "";
const OUTPUT = "dist/local/look/main.js";
const RECORD = "dist/build-record.json";
let directory: string;
const at = (file: string) => join(directory, file);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-build-"));
  for (const file of ["build.js", "package.json", "package-lock.json", "tsconfig.json"])
    await cp(join(ROOT, file), at(file));
  await symlink(join(ROOT, "node_modules"), at("node_modules"));
  await write("functions/index.ts", 'import { word } from "../shared/word.ts";\nconsole.log(word);\n');
  await write("shared/word.ts", 'export const word = "first";\n');
  await write(HOST, "console.log(1);\n");
  await write("cli/main.ts", 'await import("./ask.ts");\n');
  await write("cli/ask.ts", 'import { word } from "../shared/word.ts";\nconsole.log("ask", word);\n');
  await write("local/look/main.ts", 'import { word } from "../../shared/word.ts";\nconsole.log("look", word);\n');
  await write("local/mend/main.ts", "console.log(3);\n");
  return () => rm(directory, { recursive: true });
});

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(at(file)), { recursive: true });
  await writeFile(at(file), text);
  // A file that is written during a build, or right before it, counts as changed meanwhile.
  const aMinuteAgo = Date.now() / 1000 - 60;
  await utimes(at(file), aMinuteAgo, aMinuteAgo);
}

async function build(...flags: string[]): Promise<void> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["build.js", ...flags], { cwd: directory });
  expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
}

/** Whether `--if-older` built anything. */
async function builds(): Promise<boolean> {
  const state = async () => (existsSync(at(RECORD)) ? (await stat(at(RECORD))).mtimeMs : undefined);
  const before = await state();
  await build("--if-older");
  return (await state()) !== before;
}

const output = () => readFile(at(OUTPUT), "utf8");

describe("build.js --if-older", () => {
  test("builds if there is no build, and then no more", async () => {
    expect(await builds()).toBe(true);
    expect(await output()).toContain("first");
    expect(await builds()).toBe(false);
    await write("test/unit/new.test.ts", "what no program reads\n");
    expect(await builds()).toBe(false);
  });

  test.each([
    { what: "a source was edited", change: () => write("shared/word.ts", 'export const word = "second";\n') },
    { what: "an older source came back", change: () => utimes(at("shared/word.ts"), 1, 1) },
    { what: "a program came", change: () => write("local/new/main.ts", "") },
    { what: "a program went", change: () => rm(at("local/mend/main.ts")) },
    { what: "a program was renamed", change: () => rename(at("local/mend"), at("local/repair")) },
    { what: "the build itself was edited", change: async () => write("build.js", `${await readBuild()}\n`) },
    { what: "other packages were installed", change: () => write("package-lock.json", "{}") },
    { what: "a built file went", change: () => rm(at(OUTPUT)) },
    { what: "a built file was overwritten", change: () => writeFile(at(OUTPUT), "") },
    { what: "the record was cut off", change: () => writeFile(at(RECORD), "{") },
  ])("builds once where $what", async ({ change }) => {
    await build();
    expect(await builds()).toBe(false);
    await change();
    expect(await builds()).toBe(true);
    expect(await builds()).toBe(false);
    for (const name of ["look", "mend", "new", "repair"])
      expect({ name, is: existsSync(at(`dist/local/${name}/main.js`)) }).toEqual({
        name,
        is: existsSync(at(`local/${name}/main.ts`)),
      });
  });

  test("looks again if a source was edited during the build", async () => {
    const soon = Date.now() / 1000 + 60;
    await utimes(at("shared/word.ts"), soon, soon);
    await build();
    expect(await builds()).toBe(true);
  });
});

describe("build.js", () => {
  test("leaves the builds of the twins, and a file that another build is about to put in place", async () => {
    await build();
    await write("dist/twins/x/index.js", "1");
    await write("dist/local/left.js.1.new", "left long ago");
    await write("dist/local/look.js.2.new", "");
    await utimes(at("dist/local/look.js.2.new"), new Date(), new Date());
    await build();
    expect(existsSync(at("dist/twins/x/index.js"))).toBe(true);
    expect(existsSync(at("dist/local/left.js.1.new"))).toBe(false);
    expect(existsSync(at("dist/local/look.js.2.new"))).toBe(true);
  });

  test("makes a program that can be linked into a PATH one that can be started", async () => {
    await write("cli/main.ts", "#!/usr/bin/env node\nconsole.log(1);\n");
    await build();
    expect((await stat(at("dist/cli/main.js"))).mode & 0o111).toBe(0o111);
    expect((await stat(at(OUTPUT))).mode & 0o111).toBe(0);
  });

  test("keeps the parts of a command that began before the build, until the next one", async () => {
    const parts = async () => (await readdir(at("dist/cli"))).filter((file) => /^ask-.*\.js$/.test(file));
    await build();
    const before = await parts();
    await write("shared/word.ts", 'export const word = "second";\n');
    await build();
    const both = await parts();
    expect(both).toHaveLength(2);
    expect(both).toEqual(expect.arrayContaining(before));
    await build();
    expect(await parts()).toEqual(both.filter((file) => !before.includes(file)));
  });

  test("never takes away a program that another one runs meanwhile", async () => {
    await build();
    const building = new AbortController();
    const over = Promise.all([build(), build(), build()]).finally(() => building.abort());
    const seen = new Set<string>();
    while (!building.signal.aborted) {
      const { stdout } = await promisify(execFile)(process.execPath, [at(OUTPUT)]);
      seen.add(stdout);
    }
    await over;
    expect([...seen]).toEqual(["look first\n"]);
    await builds();
    expect(await builds()).toBe(false);
  });
});

const readBuild = () => readFile(at("build.js"), "utf8");
