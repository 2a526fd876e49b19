// oxlint-disable typescript/no-unsafe-type-assertion -- What an exit event carries is known.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { buildJob } from "../contract/job-harness.ts";
import { isAlive } from "../support/is-alive.ts";
import { ROOT } from "../support/run-program.ts";

const program = join(ROOT, "dist/local/cluster/main.js");
const READY = z.strictObject({ ready: z.literal(true), port: z.number(), kubeconfig: z.string() });
const started: ChildProcess[] = [];
const directories: string[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

async function start(flags: readonly string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), "dispatcher-cluster-"));
  directories.push(directory);
  const child = spawn(process.execPath, [program, "--directory", directory, "--namespace", "jobs", ...flags], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  started.push(child);
  const lines: string[] = [];
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  if (child.stdout) createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  await vi.waitFor(() => expect(lines).toHaveLength(1), { timeout: 10_000 });
  return { child, lines, ready: READY.parse(JSON.parse(lines[0] ?? "")), errors: () => errors };
}

/** Runs a Job that prints its process id, and waits for that. */
async function runningPid(kubeconfig: string): Promise<number> {
  const cluster = makeKubernetesJobs({ kubeconfig, namespace: "jobs", instance: "one" });
  const job = buildJob("one", "echo $$$$; trap '' TERM; while :; do sleep 0.05; done", {});
  await cluster.create(job);
  return vi.waitFor(async () => {
    const [pod] = await cluster.pods(job.metadata?.name ?? "");
    const log = await cluster.log(pod?.metadata?.name ?? "", "main", 100);
    expect(log?.byteLength).toBeGreaterThan(0);
    return Number(Buffer.from(log ?? []).toString());
  });
}

test.each([
  { how: "SIGTERM", end: (child: ChildProcess) => child.kill("SIGTERM") },
  { how: "SIGINT", end: (child: ChildProcess) => child.kill("SIGINT") },
  { how: "the end of whoever started it", end: (child: ChildProcess) => child.disconnect() },
])("ends with its Jobs' processes on $how, with exit code 0", async ({ end }) => {
  const { child, lines, ready } = await start();
  const pid = await runningPid(ready.kubeconfig);
  expect(isAlive(pid)).toBe(true);
  end(child);
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  expect(isAlive(pid)).toBe(false);
  expect(lines).toHaveLength(1);
});

test("says that the port is in use, and takes another", async () => {
  const first = await start();
  const second = await start(["--port", String(first.ready.port)]);
  expect(second.ready.port).not.toBe(first.ready.port);
  expect(second.errors()).toContain(`port ${first.ready.port} is in use`);
});

test("stores Jobs and runs none with --stub", async () => {
  const { ready } = await start(["--stub"]);
  const cluster = makeKubernetesJobs({ kubeconfig: ready.kubeconfig, namespace: "jobs", instance: "one" });
  await cluster.create(buildJob("one", "exit 0", {}));
  expect((await cluster.listJobs()).jobs.map(({ state }) => state)).toEqual(["active"]);
  expect((await cluster.listPods()).pods).toEqual([]);
});

test("writes a kubeconfig that names its namespace", async () => {
  const { ready } = await start();
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(readFileSync(ready.kubeconfig, "utf8"));
  expect(kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace).toBe("jobs");
});

test.each([["--port", "x"], ["--unknown"]])("says how to see its flags and exits 2 for %s %s", async (...flags) => {
  const child = spawn(process.execPath, [program, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(2);
  expect(errors).toMatch(/^error: .*\nAdd --help /);
});
