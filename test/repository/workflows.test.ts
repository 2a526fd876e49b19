import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { stageNames } from "../support/container-image.ts";

const DIRECTORY = ".github/workflows";

const step = z.strictObject({
  id: z.string().optional(),
  name: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const job = z.looseObject({
  uses: z.string().optional(),
  "timeout-minutes": z.number().optional(),
  permissions: z.record(z.string(), z.string()).optional(),
  steps: z.array(step).default([]),
});
const workflow = z.looseObject({
  permissions: z.record(z.string(), z.string()),
  concurrency: z.looseObject({ group: z.string() }),
  jobs: z.record(z.string(), job),
});

const scripts = Object.keys(
  z.looseObject({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(readFileSync("package.json", "utf8")))
    .scripts,
);

function read(file: string) {
  const text = readFileSync(join(DIRECTORY, file), "utf8");
  const { jobs, ...rest } = workflow.parse(parse(text));
  const steps = Object.values(jobs).flatMap((one) => one.steps);
  return { text, ...rest, jobs, steps, commands: steps.flatMap(({ run }) => run ?? []).join("\n") };
}

describe.each(readdirSync(DIRECTORY))("%s", (file) => {
  const { text, permissions, jobs, steps, commands } = read(file);

  it("may read the repository and nothing else, but for the job that publishes", () => {
    expect(permissions).toEqual({ contents: "read" });
    const wider = Object.entries(jobs).filter(([, one]) => one.permissions !== undefined);
    expect(wider.map(([name]) => name)).toEqual(file === "release.yml" ? ["release"] : []);
  });

  it("pins every action by its commit, and says which version that is", () => {
    const uses = [...text.matchAll(/uses: (.+)$/gm)]
      .map(([, used = ""]) => used)
      .filter((used) => !used.startsWith("./"));
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter((used) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(used))).toEqual([]);
  });

  it("ends every job that hangs", () => {
    const endless = Object.entries(jobs).filter(([, one]) => one.uses === undefined && !one["timeout-minutes"]);
    expect(endless).toEqual([]);
  });

  it("leaves no token behind for the commands that follow a checkout", () => {
    const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    for (const { with: given } of checkouts) expect(given).toMatchObject({ "persist-credentials": false });
  });

  it("pastes nothing into a command: what comes from outside is a variable", () => {
    expect(commands).not.toContain("${{");
  });

  it("keeps scripts that are longer than a line in files", () => {
    expect(steps.filter(({ run }) => run?.trim().includes("\n"))).toEqual([]);
  });

  it("calls scripts, programs and workflows that exist", () => {
    const called = [...commands.matchAll(/\bnpm run (?:-\S+ )*([\w:-]+)/g)].map(([, script = ""]) => script);
    expect(called.filter((script) => !scripts.includes(script))).toEqual([]);
    const programs = [...commands.matchAll(/(?:^|\s)(\.ci\/[\w.-]+)/gm)].map(([, program = ""]) => program);
    for (const program of programs) accessSync(program, program.endsWith(".js") ? constants.R_OK : constants.X_OK);
    const local = Object.values(jobs).flatMap(({ uses }) => uses ?? []);
    expect(local.filter((used) => !existsSync(used))).toEqual([]);
    expect(called.length + programs.length).toBeGreaterThan(0);
  });

  it("builds both images of the Dockerfile", () => {
    const targets = steps.flatMap(({ uses, with: given }) =>
      uses?.startsWith("docker/build-push-action@") === true ? String(given?.["target"]) : [],
    );
    expect(targets.toSorted()).toEqual(
      stageNames()
        .filter((name) => name !== "build")
        .toSorted(),
    );
  });
});

describe("ci.yml", () => {
  const { commands, jobs } = read("ci.yml");

  it("does what .ci/run does, on the oldest Node that is supported and on that of the images", () => {
    expect(commands).toMatch(/ \.ci\/run$/m);
    const { engines } = z
      .looseObject({ engines: z.object({ node: z.string() }) })
      .parse(JSON.parse(readFileSync("package.json", "utf8")));
    const oldest = /^>=(\d+)/.exec(engines.node)?.[1];
    const ofImages = /^ARG NODE_BASE=node:(\d+)/m.exec(readFileSync("Dockerfile", "utf8"))?.[1];
    expect(jobs["check"]).toMatchObject({ strategy: { matrix: { node: [oldest, ofImages] } } });
  });

  it("starts the images that it builds", () => {
    expect(commands).toMatch(/^\.ci\/start-images\.sh$/m);
  });

  it("asks for the advisories of what the images hold", () => {
    expect(commands).toMatch(/^npm audit --omit=dev$/m);
  });
});

describe("release.yml", () => {
  const { commands, jobs, steps } = read("release.yml");

  it("builds each image from the digests of its bases", () => {
    const wanted = { functions: ["NODE_BASE", "FUNCTIONS_BASE"], standalone: ["NODE_BASE"] };
    for (const [target, bases] of Object.entries(wanted)) {
      const build = steps.find(({ with: given }) => given?.["target"] === target);
      for (const base of bases)
        expect(build?.with?.["build-args"]).toContain(`${base}=\${{ steps.release.outputs.${base} }}\n`);
      expect(build?.with?.["labels"]).toContain(
        `org.opencontainers.image.base.name=\${{ steps.release.outputs.${bases.at(-1)} }}\n`,
      );
    }
  });

  it("publishes nothing before CI has passed, and the notes are there", () => {
    expect(jobs["release"]).toMatchObject({ needs: "ci" });
    const done = commands.replaceAll(/^(\.ci\/.*)$/gm, (script) => readFileSync(script, "utf8"));
    const order = [
      "node .ci/release-notes.js",
      "docker login",
      "helm package keda",
      "docker push",
      "gh release create",
    ];
    const places = order.map((word) => done.indexOf(word));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });
});
