import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { untilReady } from "../../local/stack/readiness.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { layOut, readImage } from "../support/container-image.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { ROOT } from "../support/run-program.ts";

// These tests do what `docker build --target standalone` and `docker run` do, as far as that goes without Docker. They
// use the files that the Dockerfile copies, and nothing else of the project, with its environment, directory, user and
// command. Bus, storage and cluster are the local ones.

const READY = z.object({ ready: z.literal(true), port: z.number() });
const image = readImage("standalone");
let directory: string;
let stack: Stack;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-image-"));
  // The image's user is another one than this directory's owner.
  await chmod(directory, 0o755);
  await buildImage();
  stack = await startLocalStack(join(ROOT, "modules"), { settings: {} });
}, 240_000);
afterAll(async () => {
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

const root = () => join(directory, "image");

async function buildImage(): Promise<void> {
  const build = readImage("build");
  const buildRoot = join(directory, "build");
  await layOut(build, { "": ROOT }, buildRoot);
  for (const command of build.runs) {
    // `npm ci` takes long, and was done before these tests ran.
    if (command.startsWith("npm ci "))
      await symlink(join(ROOT, "node_modules"), join(buildRoot, build.workdir, "node_modules"));
    else execFileSync(command, { shell: true, cwd: join(buildRoot, build.workdir), stdio: "pipe" });
  }
  await layOut(image, { build: buildRoot }, root());
}

/** Writes the files that a pod would mount: the modules, and a kubeconfig. Resolves to the settings that name them. */
async function mounts(): Promise<Record<string, string>> {
  const mounted = join(directory, "mounted");
  const kubeconfig = join(mounted, "kubeconfig");
  await mkdir(mounted);
  await writeFile(kubeconfig, await readFile(stack.settings["KUBECONFIG"] ?? ""));
  await cp(join(ROOT, "modules"), join(mounted, "modules"), { recursive: true });
  return { KUBECONFIG: kubeconfig, MODULES_DIR: join(mounted, "modules") };
}

function run(settings: Readonly<Record<string, string>>) {
  const [uid, gid] = (image.user ?? "").split(":").map(Number);
  const [program, ...args] = image.command;
  expect(program).toBe("node");
  // A container has all addresses and ports to itself. Here the test needs others.
  const instead = new Map([
    ["0.0.0.0", "127.0.0.1"],
    ["8080", "0"],
  ]);
  const child = spawn(
    process.execPath,
    args.map((word) => instead.get(word) ?? word),
    {
      cwd: join(root(), image.workdir),
      env: { ...image.env, ...settings },
      stdio: ["ignore", "pipe", "pipe"],
      // Only root may become another user. A user who isn't root needs no change.
      ...(process.getuid?.() === 0 && uid !== undefined && gid !== undefined ? { uid, gid } : {}),
    },
  );
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  return { child, said, ended: once(child, "exit") };
}

test("the standalone image's files run on their own: ready, a message to its end, and drained on SIGTERM", async () => {
  const { child, said, ended } = run({ ...stack.settings, ...(await mounts()) });
  try {
    await vi.waitFor(() => expect(said).toMatchObject({ stdout: expect.stringContaining("ready") }), 60_000);
    const { port } = READY.parse(JSON.parse(said.stdout));
    expect(await untilReady(`http://127.0.0.1:${port}`, 30_000)).toEqual([]);

    const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
    await client.createSender("greetings").sendMessages({ messageId: "m-1", body: { name: "Ada" } });
    await client.close();
    await vi.waitFor(
      () => expect(said.stderr).toMatch(/closed a run.*"messageId":"m-1".*"outcome":"succeeded"/),
      60_000,
    );
    expect(await modulesOfJobs()).toEqual(["greet"]);

    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
  }
}, 180_000);

test("without its modules mounted, the standalone image says where it looks for them, and ends", async () => {
  const { said, ended } = run(
    Object.fromEntries(Object.entries(stack.settings).filter(([name]) => name !== "MODULES_DIR")),
  );
  expect(await ended).toEqual([1, null]);
  expect(said.stderr).toContain(image.env["MODULES_DIR"]);
}, 60_000);

async function modulesOfJobs(): Promise<(string | undefined)[]> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(stack.settings["KUBECONFIG"] ?? "");
  const { items } = await kubeConfig
    .makeApiClient(BatchV1Api)
    .listNamespacedJob({ namespace: stack.settings["JOB_NAMESPACE"] ?? "" });
  return items.map((job) => job.metadata?.labels?.["ion/module"]);
}
