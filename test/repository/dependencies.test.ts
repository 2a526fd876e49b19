import { existsSync, readdirSync, readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { describe, expect, it } from "vitest";
import { z } from "zod";

/** Permissive licences. They allow use in a closed product, and none asks for its source. */
const ALLOWED = ["0BSD", "Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0", "Unlicense"];

const versions = z.record(z.string(), z.string());
const declared = z.object({ dependencies: versions, devDependencies: versions }).parse(readJson("package.json"));
const locked = z
  .object({
    packages: z.record(z.string(), z.looseObject({ dev: z.boolean().optional(), optional: z.boolean().optional() })),
  })
  .parse(readJson("package-lock.json")).packages;
const packageJson = z.looseObject({ name: z.string(), version: z.string() });
const docs = readFileSync("docs/dependencies.md", "utf8");

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}

function licenceOf(directory: string): string | undefined {
  return z.looseObject({ license: z.string().optional() }).parse(readJson(`${directory}/package.json`)).license;
}

/** The rows of a chapter's table: package, licence, why. */
function listed(chapter: string): [string, string, string][] {
  const text = docs.split(/^## /m).find((part) => part.startsWith(`${chapter}\n`)) ?? "";
  return [...text.matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$/gm)].map(
    ([, name = "", licence = "", why = ""]) => [name, licence, why],
  );
}

describe("docs/dependencies.md", () => {
  it.each([
    { chapter: "In the images", packages: declared.dependencies },
    { chapter: "For development", packages: declared.devDependencies },
  ])("lists every package of its kind with the licence that is installed: $chapter", ({ chapter, packages }) => {
    expect(listed(chapter).map(([name, licence]) => [name, licence])).toEqual(
      Object.keys(packages).map((name) => [name, licenceOf(`node_modules/${name}`)]),
    );
  });

  it("says why of each, and of no two the same", () => {
    const reasons = [...listed("In the images"), ...listed("For development")].map(([, , why]) => why.trim());
    expect(new Set(reasons).size).toBe(reasons.length);
    expect(reasons.filter((why) => why.length < 5)).toEqual([]);
  });

  it("names the licences that are allowed", () => {
    for (const licence of ALLOWED) expect(docs).toContain(licence);
  });
});

describe("the packages of the images", () => {
  const production = Object.entries(locked).filter(([path, { dev }]) => path !== "" && dev !== true);

  it("are all under a licence that is allowed, those that others bring included", () => {
    // npm leaves out an optional package that doesn't fit the platform.
    const installed = production.filter(([path, { optional }]) => optional !== true || existsSync(path));
    expect(installed.length).toBeGreaterThan(Object.keys(declared.dependencies).length);
    const others = installed.map(([path]) => `${path}: ${licenceOf(path) ?? "none"}`);
    expect(others.filter((line) => !ALLOWED.some((licence) => line.endsWith(`: ${licence}`)))).toEqual([]);
  });

  it("are pinned to one version each", () => {
    const ranges = Object.entries({ ...declared.dependencies, ...declared.devDependencies });
    expect(ranges.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  // esbuild marks each file that it took into a bundle.
  const bundled = ["dist/functions/index.js", "dist/host/main.js", ...globSync("dist/cli/*.js")].flatMap((file) =>
    [
      ...readFileSync(file, "utf8").matchAll(/^\s*\/\/ (node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+)\//gm),
    ].map(([, path]) => path ?? ""),
  );
  const inBundles = [...new Set(bundled)];

  it("are in dependencies, so that npm audit --omit=dev sees them", () => {
    expect(inBundles.length).toBeGreaterThan(50);
    const paths = new Set(production.map(([path]) => path));
    expect(inBundles.filter((path) => !paths.has(path))).toEqual([]);
  });

  it("come with their licences", () => {
    const notices = readFileSync("dist/third-party-notices.txt", "utf8").split(/^-{80}$/m);
    const silent = inBundles.filter((path) => {
      const { name, version } = packageJson.parse(readJson(`${path}/package.json`));
      const chapter = notices.find((text) => text.trim().startsWith(`${name} ${version} (`));
      const ownText = readdirSync(path).find((file) => /license/i.test(file));
      const wanted = ownText === undefined ? "Copyright" : readFileSync(`${path}/${ownText}`, "utf8").trim();
      return chapter?.includes(wanted) !== true;
    });
    expect(silent).toEqual([]);
  });
});
