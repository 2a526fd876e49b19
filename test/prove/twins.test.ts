import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { TWINS, twinsNamed } from "../../prove/twins/all-twins.ts";
import { type Edit, editedSources, editing, guardPlaces, parted } from "../../prove/twins/edit.ts";
import { constantIn, markersIn, readSources } from "../../prove/twins/guard-markers.ts";
import { guardTable, printedGuardTable, readPublished } from "../../prove/twins/table.ts";
import { PATIENCE_MS, twinPatienceMs } from "../../prove/twins/try-twin.ts";
import { controlEdits, twinEdits } from "../../prove/twins/twin.ts";
import { ROOT, runProgram } from "../support/run-program.ts";

/**
 * Builds the own code of app and host with these edits. It leaves the packages out, because no edit is in them and they
 * would take long.
 */
async function ownCode(edits: readonly Edit[]): Promise<string> {
  const { app, host } = await parted(edits);
  return (await programOf("functions/index.ts", app)) + (await programOf("host/main.ts", host));
}

async function programOf(entryPoint: string, edits: readonly Edit[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    write: false,
    logLevel: "silent",
    plugins: [editing(edits)],
  });
  return outputFiles[0]?.text ?? "";
}

/** All edits of all twins, each place once: the second of two edits in one place is left out. */
async function editsApart(): Promise<Edit[]> {
  const sources = await readSources(ROOT);
  const apart: Edit[] = [];
  for (const edit of TWINS.flatMap(({ removal }) => removal)) {
    try {
      editedSources([...apart, edit], sources);
      apart.push(edit);
    } catch {
      // It overlaps with another twin's edit.
    }
  }
  expect(apart.length).toBeGreaterThan(30);
  return apart;
}

/** What the compiler says of a project, line by line. */
function compilerSays(directory: string): Promise<string[]> {
  return new Promise((resolve) => {
    const compiler = join(ROOT, "node_modules/.bin/tsc");
    execFile(compiler, ["-p", directory], (_error, stdout) => resolve(stdout.split("\n")));
  });
}

describe("the twins", () => {
  it.each(TWINS)("can be built of today's source: $name", async (twin) => {
    const [control, bare] = await Promise.all([controlEdits(twin), twinEdits(twin)].map(ownCode));
    expect(bare).not.toBe(control);
  });

  it("use only names that the code around them has", async () => {
    const sources = await readSources(ROOT);
    // Below the project, so that the compiler finds its packages.
    const directory = join(ROOT, "dist/twins", `names-${process.pid}`);
    try {
      const all = new Map([...sources, ...editedSources(await editsApart(), sources)]);
      for (const [file, text] of all) {
        await mkdir(dirname(join(directory, file)), { recursive: true });
        await writeFile(join(directory, file), text);
      }
      const include = ["functions", "host", "shared"];
      await writeFile(
        join(directory, "tsconfig.json"),
        JSON.stringify({ extends: join(ROOT, "tsconfig.json"), include }),
      );
      // Other complaints are right: a twin may leave a variable unused, or write what is read-only.
      expect((await compilerSays(directory)).filter((line) => /error TS(2304|2552|18004):/.test(line))).toEqual([]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 60_000);

  it("take out every guard that a comment in the source names, each by the twin of that name", async () => {
    const marked = [...(await guardPlaces()).keys()].toSorted();
    // A twin may change the statement of another guard besides its own.
    const own = ({ name, removal }: (typeof TWINS)[number]) =>
      removal.map(({ guard }) => guard).filter((guard) => guard.split(", ")[0] === name);
    expect(marked).toEqual(TWINS.flatMap(own).toSorted());
    for (const twin of TWINS) expect(own(twin), `markers of ${twin.name}`).not.toEqual([]);
  });

  it("get as much time as the app to come to rest if what they show might pass by itself, and less if not", () => {
    const given = (name: string) => twinsNamed([name]).map(twinPatienceMs);
    expect(given("sweep")).toEqual([PATIENCE_MS]);
    expect(given("withdraw-what-was-not-claimed")).toEqual([PATIENCE_MS]);
    expect(given("tombstone")[0]).toBeLessThan(PATIENCE_MS);
  });

  it("are the table in the docs, as `npm run prove:twins -- --docs` writes it, and have all been played", async () => {
    expect(await printedGuardTable()).toBe(await guardTable());
    expect(Object.keys((await readPublished()).found)).toEqual(TWINS.map(({ name }) => name));
  });

  it("have names of their own", () => {
    expect(new Set(TWINS.map(({ name }) => name)).size).toBe(TWINS.length);
  });

  it("are found by name, and one that there is not is refused", async () => {
    expect(twinsNamed(["sweep"]).map(({ name }) => name)).toEqual(["sweep"]);
    expect(twinsNamed([])).toEqual(TWINS);
    const { said, ended } = runProgram("prove/twins", { args: ["sweep", "broom"] });
    expect(await ended).toBe(2);
    expect(said.stderr).toMatch(/'broom' is invalid .* Allowed choices are permanent-lock, /);
  });
});

describe("a marker", () => {
  const codeBelow = (source: string, marker: string) => {
    const place = markersIn(new Map([["a.ts", source]])).get(marker);
    return place && source.slice(place.start, place.end);
  };

  it.each([
    { what: "a statement", source: "go();\n// guard: one\nif (a) {\n  b();\n}\nc();", code: "if (a) {\n  b();\n}" },
    { what: "an assignment", source: "// guard: one\na = await b(1);\n", code: "a = await b(1);" },
    { what: "a property", source: "f({\n  a: 1,\n  // guard: one\n  b: c.d,\n});", code: "b: c.d" },
    { what: "an element", source: "f([\n  // guard: one\n  { a: 1 },\n  2,\n]);", code: "{ a: 1 }" },
    { what: "a function", source: "// guard: one\nfunction f(): void {}\n", code: "function f(): void {}" },
    { what: "what its reason is about", source: "// guard: one\n// Because.\nreturn_();\n", code: "return_();" },
  ])("stands above $what", ({ source, code }) => {
    expect(codeBelow(source, "one")).toBe(code);
  });

  it("names one place: a second one of the same name is refused", () => {
    expect(() => codeBelow("// guard: one\na();\n// guard: one\nb();\n", "one")).toThrow(
      '"// guard: one" stands in a.ts and in a.ts',
    );
  });

  it("is refused if no code begins below it", () => {
    expect(() => codeBelow("f(\n  // guard: one\n);", "one")).toThrow('a.ts: no code begins below "// guard: one"');
  });
});

describe("an edit", () => {
  const built = async (source: string, ...edits: Edit[]) => {
    const root = await mkdtemp(join(tmpdir(), "twins-"));
    try {
      await mkdir(join(root, "shared"));
      await writeFile(join(root, "shared/main.ts"), source);
      await writeFile(join(root, "shared/other.ts"), "// guard: elsewhere\nexport const other = 1;\n");
      const { outputFiles } = await build({
        entryPoints: [join(root, "shared/main.ts")],
        write: false,
        logLevel: "silent",
        plugins: [editing(edits, root)],
      });
      return outputFiles[0]?.text;
    } finally {
      await rm(root, { recursive: true });
    }
  };
  const SOURCE = `
const WAIT_MS = 10_000;
export function main() {
  // guard: order, first
  first();
  // guard: order, second
  second();
  setTimeout(main, WAIT_MS);
}
`;

  it("replaces the code below its marker", async () => {
    const text = await built(SOURCE, { guard: "order, first", put: "other();" });
    expect(text).toContain("other();\n  second();");
  });

  it("lets two pieces of code change places", async () => {
    const text = await built(
      SOURCE,
      { guard: "order, first", put: (codeAt) => codeAt("order, second") },
      { guard: "order, second", put: (codeAt) => codeAt("order, first") },
    );
    expect(text).toContain("second();\n  first();");
  });

  it("gives a constant another value", async () => {
    expect(await built(SOURCE, { constant: "WAIT_MS", put: "5" })).toContain("WAIT_MS = 5;");
  });

  it.each([
    { what: "has no such marker", edit: { guard: "none", put: "" }, says: 'no comment "// guard: none" stands in' },
    {
      what: "has no such constant",
      edit: { constant: "NONE", put: "" },
      says: "has 0 constants NONE, and should have one",
    },
    { what: "is as before", edit: { guard: "order, first", put: "first();" }, says: "order, first: the edit changes" },
    { what: "is not in the bundle", edit: { guard: "elsewhere", put: "" }, says: "other.ts is not in the bundle" },
  ])("fails the build if the source $what", async ({ edit, says }) => {
    await expect(built(SOURCE, edit)).rejects.toThrow(says);
  });

  it("changes a constant only if exactly one has its name", () => {
    const sources = new Map([
      ["a.ts", "const A = 1;"],
      ["b.ts", "const A = 2;"],
    ]);
    expect(() => constantIn(sources, "A")).toThrow("has 2 constants A, and should have one");
  });
});
