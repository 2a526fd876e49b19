import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import dockerignore from "@balena/dockerignore";
import { globSync } from "tinyglobby";
import { describe, expect, it } from "vitest";
import { ALLOCATOR } from "../../local/kit/allocator.ts";
import { valueAt } from "../../shared/plain-data.ts";
import { readImage, stageNames } from "../support/container-image.ts";

const FINAL = ["standalone", "functions"];
const build = readImage("build");

/** Those of these paths that are sent to the builder. */
const sent = (paths: readonly string[]) =>
  dockerignore
    .default()
    .add(readFileSync(".dockerignore", "utf8"))
    .filter([...paths]);

const GLOB = { dot: true, onlyFiles: false, expandDirectories: false };

describe("the Dockerfile", () => {
  it("builds the app for the Functions host if no target is named", () => {
    expect(stageNames()).toEqual(["build", "standalone", "functions"]);
  });

  it("installs what the lock file says, and runs the project's own build", () => {
    expect(build.runs).toEqual(["npm ci --ignore-scripts", "npm run build"]);
  });

  it("finds every file that the build takes, none of them kept out by .dockerignore", () => {
    const sources = build.copied.flatMap((copy) => copy.sources);
    expect(sources.filter((source) => !existsSync(source))).toEqual([]);
    expect(sent(sources)).toEqual(sources);
  });

  it.each(["node_modules", "dist"])("takes no %s from the machine that builds it", (directory) => {
    expect(sent([directory, `${directory}/x.js`, `shared/node_modules/x.js`])).not.toContain(`${directory}/x.js`);
  });

  describe.each(FINAL)("target %s", (target) => {
    const image = readImage(target);

    it("stands on a base that a build argument names, by default with a tag", () => {
      expect(readFileSync("Dockerfile", "utf8")).toMatch(new RegExp(`^FROM \\$\\{\\w+_BASE\\} AS ${target}$`, "m"));
      expect(image.base).toMatch(/^[\w./-]+:[\w.-]*\d[\w.-]*$/);
      expect(image.base).not.toMatch(/:latest$/);
    });

    it("copies what the build makes, and nothing else from anywhere", () => {
      for (const { sources, from } of image.copied) {
        expect(from).toBe("build");
        for (const source of sources) expect(globSync(posix.relative("/src", source), GLOB)).not.toEqual([]);
      }
      expect(image.runs).toEqual([]);
    });

    it("has the entry point of the app, where package.json says, and the command", () => {
      const main = String(valueAt(JSON.parse(readFileSync("package.json", "utf8")), ["main"]));
      expect(image.copied).toContainEqual({
        sources: [posix.join("/src", main)],
        from: "build",
        to: `${posix.join(image.workdir, posix.dirname(main))}/`,
      });
      expect(image.copied.map(({ to }) => to)).toContain(`${posix.join(image.workdir, "dist/cli")}/`);
      expect(image.copied[0]?.sources).toEqual(expect.arrayContaining(["/src/package.json", "/src/host.json"]));
    });

    it("has no module in it: they are mounted", () => {
      expect(image.env["MODULES_DIR"]).toBe("/etc/dispatcher/modules");
      expect(image.copied.flatMap(({ sources }) => sources).filter((source) => source.includes("modules"))).toEqual([]);
    });

    it("runs as a number that is not root, on a port that needs no root", () => {
      expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
      expect(image.ports).toEqual(["8080"]);
      const listensAt = [...image.command, image.env["ASPNETCORE_URLS"] ?? ""].join(" ");
      expect(listensAt).toMatch(/(--port |:)8080\b/);
    });

    it("starts its host with no shell in between", () => {
      expect(image.command[0]).toMatch(/^(node|\/azure-functions-host\/Microsoft\.Azure\.WebJobs\.Script\.WebHost)$/);
    });

    it("limits heap and arenas as the figures were measured", () => {
      expect(image.env).toMatchObject(ALLOCATOR);
      const [, flags] = /IMAGE_FLAGS = "([^"]+)"/.exec(readFileSync("bench/image-flags.ts", "utf8")) ?? [];
      expect(flags).toMatch(/--max-old-space-size/);
      expect([image.env["NODE_OPTIONS"], image.env["languageWorkers__node__arguments"]]).toContain(flags);
    });

    it("says what it is", () => {
      const named = Object.keys(image.labels).map((label) => label.replace("org.opencontainers.image.", ""));
      expect(named.toSorted()).toEqual(["description", "licenses", "revision", "title", "version"]);
      expect(image.labels["org.opencontainers.image.licenses"]).toBe("MIT");
    });

    it("holds no secret in its environment", () => {
      const settings = Object.keys(image.env).filter((name) =>
        /^(ServiceBus|AzureWebJobsStorage|AZURE_|KUBECONFIG)/.test(name),
      );
      expect(settings).toEqual([]);
      expect(Object.values(image.env).join("\n")).not.toMatch(/SharedAccessKey|AccountKey/);
    });
  });

  it("drains on SIGTERM on the Functions host, logs to its console, and writes under /tmp only", () => {
    expect(readImage("functions").env).toMatchObject({
      FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING: "true",
      AzureFunctionsJobHost__Logging__Console__IsEnabled: "true",
      FUNCTIONS_SECRETS_PATH: expect.stringMatching(/^\/tmp\//),
    });
  });
});

it("the pages name the arguments of the bases and their defaults", () => {
  const bases = [...readFileSync("Dockerfile", "utf8").matchAll(/^ARG (\w+_BASE)=(.+)$/gm)];
  expect(bases.map(([, name]) => name)).toEqual(["NODE_BASE", "FUNCTIONS_BASE"]);
  const deploy = readFileSync("docs/deploy.md", "utf8");
  for (const [, name] of bases) expect(deploy).toContain(`\`${name}\``);
  expect(deploy).toContain(`NODE_BASE=acme.azurecr.io/${bases[0]?.[2]} `);
});

describe(".dockerignore", () => {
  const tracked = execFileSync("git", ["ls-files"], { encoding: "utf8" }).trim().split("\n");

  it.each([
    "local.settings.json",
    "functions/local.settings.json",
    "private.env",
    "shared/private.env",
    ".env",
    "cli/.env",
    ".git/config",
    ".ci/run",
    "node_modules/zod/index.js",
    "host/node_modules/x/index.js",
    "local/node_modules/x/index.js",
    "dist/functions/index.js",
    ".dispatcher/state.json",
    "kubeconfig",
    "modules/hello.yaml",
    "local/broker/main.ts",
    "test/support/world.ts",
  ])("keeps %s out", (path) => {
    expect(sent([path])).toEqual([]);
  });

  it("lets nothing through but what the build copies", () => {
    const sources = build.copied.flatMap((copy) => copy.sources);
    const needed = tracked.filter((file) => sources.some((source) => file === source || file.startsWith(`${source}/`)));
    expect(sent(tracked)).toEqual(needed);
  });
});
