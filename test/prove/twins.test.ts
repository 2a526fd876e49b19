import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { TWINS, twinsNamed } from "../../prove/twins/all-twins.ts";
import { type Edit, edited, editing } from "../../prove/twins/edit.ts";
import { controlEdits, twinEdits } from "../../prove/twins/twin.ts";

/** The app's own code with these edits made. Its packages would take long, and no edit is in them. */
async function ownCode(edits: readonly Edit[]): Promise<string | undefined> {
  const { outputFiles } = await build({
    entryPoints: ["functions/index.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    write: false,
    logLevel: "silent",
    plugins: [editing(edits)],
  });
  return outputFiles[0]?.text;
}

describe("the twins", () => {
  it.each(TWINS)("can be built of today's source: $name", async (twin) => {
    const [control, bare] = await Promise.all([controlEdits(twin), twinEdits(twin)].map(ownCode));
    expect(bare).not.toBe(control);
  });

  it("are all in the documented table, and nothing else is", async () => {
    const page = await readFile("docs/reliability.md", "utf8");
    const rows = [...page.matchAll(/^\| `([\w-]+)`: (.*?) \| `(shared\/[^`]+)`/gm)].map(([, name, guard, file]) => ({
      name,
      guard,
      file,
    }));
    expect(rows).toEqual(TWINS.map(({ name, guard, removal: [{ file }] }) => ({ name, guard, file })));
  });

  it("have names of their own", () => {
    expect(new Set(TWINS.map(({ name }) => name)).size).toBe(TWINS.length);
  });

  it("are found by name, and one that there is not is refused", () => {
    expect(twinsNamed(["sweep"]).map(({ name }) => name)).toEqual(["sweep"]);
    expect(twinsNamed([])).toEqual(TWINS);
    expect(() => twinsNamed(["sweep", "broom"])).toThrow(/no such twin: broom\. There are: permanent-lock, /);
  });
});

describe("an edit", () => {
  const edit = { file: "a.ts", find: "guard()", put: "true" };

  it("replaces what it looks for", () => {
    expect(edited("if (guard()) go();", edit)).toBe("if (true) go();");
  });

  it.each(["if (guarded()) go();", "if (guard() && guard()) go();"])("refuses what isn't there once: %s", (source) => {
    expect(() => edited(source, edit)).toThrow(/a\.ts has [02] times, and not once:\nguard\(\)/);
  });

  it("fails the build where its file is no part of it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "twins-"));
    try {
      const main = join(directory, "main.ts");
      await writeFile(main, "export const one = 1;\n");
      const building = (file: string) =>
        build({
          entryPoints: [main],
          write: false,
          logLevel: "silent",
          plugins: [editing([{ file, find: "= 1", put: "= 2" }])],
        });
      expect((await building(main)).outputFiles[0]?.text).toContain("one = 2");
      await expect(building(join(directory, "other.ts"))).rejects.toThrow(/other\.ts is not in the bundle/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
