import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";

const DIGEST = `sha256:${"a".repeat(64)}`;
const IMAGES = { FUNCTIONS: "ghcr.io/acme/dispatcher:1.2.3", STANDALONE: "ghcr.io/acme/dispatcher:1.2.3-standalone" };
const BASES = [
  `NODE_BASE=node:24-bookworm-slim@${DIGEST}`,
  `FUNCTIONS_BASE=mcr.microsoft.com/azure-functions/node:4-node24@${DIGEST}`,
];
// Each stand-in records how it was called. `FAILS` begins the call that fails. docker prints `DIGEST` for an image.
const STAND_IN = `#!/usr/bin/env bash
echo "\${0##*/} $*" >> "$RECORD"
[[ -z $FAILS || "\${0##*/} $*" != "$FAILS"* ]] || exit 1
case "\${0##*/} $1" in
  "docker buildx") echo "$DIGEST" ;;
  "docker save") echo "layers of $2" ;;
  "helm package") touch "\${!#}/dispatcher-1.2.3.tgz" ;;
esac
`;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-release-"));
  await cp(".ci", join(directory, ".ci"), { recursive: true });
  await cp("Dockerfile", join(directory, "Dockerfile"));
  await writeFile(join(directory, "package.json"), '{ "version": "1.2.3" }');
  await writeFile(join(directory, "CHANGELOG.md"), "# Changelog\n\n## 1.2.3\n\n- New.\n");
  await mkdir(join(directory, "bin"));
  for (const name of ["docker", "gh", "helm"]) {
    await writeFile(join(directory, "bin", name), STAND_IN);
    await chmod(join(directory, "bin", name), 0o755);
  }
  return () => rm(directory, { recursive: true });
});
const read = (file: string) => readFile(join(directory, file), "utf8");

interface Run {
  readonly tag?: string;
  readonly fails?: string;
  readonly digest?: string;
}
async function run(script: string, { tag = "v1.2.3", fails = "", digest = DIGEST }: Run = {}) {
  await writeFile(join(directory, "record"), "");
  const env = {
    ...process.env,
    ...IMAGES,
    PATH: `${join(directory, "bin")}:${process.env["PATH"]}`,
    RECORD: join(directory, "record"),
    FAILS: fails,
    DIGEST: digest,
    VERSION: "1.2.3",
    GITHUB_REF_NAME: tag,
    GITHUB_REPOSITORY: "Acme/Dispatcher",
    GITHUB_OUTPUT: join(directory, "outputs"),
  };
  const ended = await new Promise<{ code: number; stderr: string }>((done) => {
    execFile(join(directory, ".ci", script), { env }, (error, _, stderr) =>
      done({ code: Number(error?.code ?? 0), stderr }),
    );
  });
  return { ...ended, calls: (await read("record")).split("\n").filter(Boolean) };
}

describe("prepare-release.sh", () => {
  it("names version, images and the bases with their digests for the steps that follow", async () => {
    expect((await run("prepare-release.sh")).code).toBe(0);
    expect((await read("outputs")).trim().split("\n")).toEqual([
      "version=1.2.3",
      `functions=${IMAGES.FUNCTIONS}`,
      `standalone=${IMAGES.STANDALONE}`,
      ...BASES,
    ]);
    expect(await read("notes.md")).toBe("- New.\n");
  });

  it("refuses a tag that the changelog does not know, before it asks for anything", async () => {
    expect(await run("prepare-release.sh", { tag: "v1.2.4" })).toMatchObject({ code: 1, calls: [] });
  });

  it.each([{ fails: "docker buildx" }, { digest: "" }])("stops if a base has no digest: %o", async (given) => {
    expect((await run("prepare-release.sh", given)).code).toBe(1);
    await expect(read("outputs")).rejects.toThrow("ENOENT");
  });
});

describe("publish-release.sh", () => {
  const pack = async () => {
    await run("prepare-release.sh");
    expect((await run("pack-release.sh")).code).toBe(0);
  };

  it("pushes both images, then publishes what is packed, with the digests to import and those of the bases", async () => {
    await pack();
    const { code, calls } = await run("publish-release.sh");
    expect(code).toBe(0);
    expect(calls.filter((call) => !call.startsWith("docker buildx"))).toEqual([
      `docker push --quiet ${IMAGES.FUNCTIONS}`,
      `docker push --quiet ${IMAGES.STANDALONE}`,
      "gh release create v1.2.3 --verify-tag --title v1.2.3 --notes-file notes.md --latest " +
        [
          "SHA256SUMS",
          "base-images.txt",
          "dispatcher-1.2.3-image.tar.gz",
          "dispatcher-1.2.3.tgz",
          "dispatcher-standalone-1.2.3-image.tar.gz",
          "images.txt",
        ]
          .map((file) => `release/${file}`)
          .join(" "),
    ]);
    const images = [`ghcr.io/acme/dispatcher@${DIGEST}`, `ghcr.io/acme/dispatcher@${DIGEST}`];
    expect((await read("release/images.txt")).trim().split("\n")).toEqual(images);
    const notes = await read("notes.md");
    for (const line of [...images, ...BASES]) expect(notes).toContain(`    ${line}\n`);
    expect((await read("release/SHA256SUMS")).match(/^[0-9a-f]{64} {2}[\w.-]+$/gm)).toHaveLength(5);
  });

  it("does not make a pre-release the latest", async () => {
    await pack();
    expect((await run("publish-release.sh", { tag: "v1.2.3-rc.1" })).calls.at(-1)).toContain(" --prerelease ");
  });

  it.each(["docker push", "docker buildx"])("publishes nothing on GitHub if %s fails", async (fails) => {
    await pack();
    const { code, calls } = await run("publish-release.sh", { fails });
    expect(code).toBe(1);
    expect(calls.filter((call) => call.startsWith("gh"))).toEqual([]);
  });
});
