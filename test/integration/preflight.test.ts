import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite/start-azurite.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { type LocalCluster, startCluster } from "../../local/cluster/start-cluster.ts";
import { busEntities } from "../../local/stack/bus-entities.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { ROOT } from "../support/run-program.ts";

const PROGRAM = join(ROOT, "dist", "cli", "main.js");
let local: LocalCluster;
let azurite: Azurite;
let bus: LocalBroker;
let clusterDirectory: string;
let directory: string;

beforeAll(async () => {
  clusterDirectory = await mkdtemp(join(tmpdir(), "dispatcher-cluster-"));
  local = await startCluster({ directory: clusterDirectory, namespace: "jobs", stub: true });
  azurite = await startAzurite();
  const sources = loadModules(join(ROOT, "modules")).map(({ source }) => source);
  bus = await startBroker({ entities: busEntities(sources, { lockDurationMs: 300_000, filters: {} }) });
});
afterAll(async () => {
  await local.close();
  await bus.close();
  await azurite.close();
  await rm(clusterDirectory, { recursive: true, force: true });
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-preflight-"));
  return () => rm(directory, { recursive: true, force: true });
});

const settings = (over: Record<string, string> = {}) => ({
  ServiceBus: bus.connectionString,
  AzureWebJobsStorage: azurite.connectionString,
  KUBECONFIG: local.kubeconfigPath,
  JOB_NAMESPACE: "jobs",
  MODULES_DIR: join(ROOT, "modules"),
  ...over,
});

/** Runs the program with these settings in its environment and nothing else. */
async function preflight(env: Record<string, string>, args: readonly string[] = []) {
  const child = spawn(process.execPath, [PROGRAM, "preflight", ...args], {
    cwd: directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  await once(child, "close");
  return { code: child.exitCode, ...said };
}

const aModule = (container: string, queue = "greetings") =>
  `name: broken\nsource: { queue: ${queue} }\njobTemplate: { spec: { template: { spec: { containers: [${container}] } } } }\n`;

test("finds nothing wrong with the sample modules, and ends with 0", async () => {
  expect(await preflight(settings())).toEqual({
    code: 0,
    stdout: "nothing is wrong with 6 modules and namespace jobs\n",
    stderr: "",
  });
});

test("says module, file and field of a Job that the API server refuses, and ends with 1", async () => {
  await writeFile(
    join(directory, "broken.yaml"),
    aModule("{ name: main, image: busybox, volumeMounts: [{ name: data, mountPath: /data }] }"),
  );
  const { code, stdout } = await preflight(settings({ MODULES_DIR: directory }));
  expect(code).toBe(1);
  expect(stdout).toBe(
    `error: module broken (${join(directory, "broken.yaml")}): jobTemplate.spec.template.spec.containers[0].volumeMounts[0].name: the API server refuses the Job: Not found: "data" (spec.template.spec.containers[0].volumeMounts[0].name of the Job). Correct the module, or every message will be dead-lettered as JobNotStarted\n`,
  );
});

test("says which source is missing, and that the storage account is not to be reached", async () => {
  await writeFile(join(directory, "broken.yaml"), aModule("{ name: main, image: busybox }", "nowhere"));
  const storage =
    "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0LWtleQ==;BlobEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://127.0.0.1:1/a";
  const { code, stdout } = await preflight(settings({ MODULES_DIR: directory, AzureWebJobsStorage: storage }));
  expect(code).toBe(1);
  const lines = stdout.trim().split("\n");
  expect(lines).toEqual([
    expect.stringMatching(/^error: The table DispatcherRuns can't be used just now, .*no connection/),
    expect.stringMatching(/^error: The blob store can't be used just now, .*no connection/),
    expect.stringMatching(
      /^error: module broken \(.*broken\.yaml\): source: queue "nowhere" does not exist .*: create it/,
    ),
  ]);
  expect(stdout).not.toContain("c2VjcmV0");
});

test("reads local.settings.json for what the environment doesn't say", async () => {
  const { JOB_NAMESPACE: _namespace, ...values } = settings({ MODULES_DIR: "nowhere" });
  await writeFile(join(directory, "local.settings.json"), JSON.stringify({ Values: values }));
  const { code, stdout } = await preflight({ JOB_NAMESPACE: "jobs", MODULES_DIR: join(ROOT, "modules") });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "nothing is wrong with 6 modules and namespace jobs\n" });
});

test("says in a line each what is wrong with the settings, without a secret", async () => {
  const { code, stdout } = await preflight(settings({ JOB_RETENTION: "1s", ServiceBus: "secret-key" }));
  expect(code).toBe(1);
  expect(stdout.trim().split("\n")).toEqual([
    expect.stringMatching(/^error: ServiceBus: /),
    expect.stringMatching(/^error: JOB_RETENTION: "1s" is not allowed/),
  ]);
  expect(stdout).not.toContain("secret-key");
});

test("says in one line that the namespace isn't there", async () => {
  const { code, stdout } = await preflight(settings({ JOB_NAMESPACE: "elsewhere" }));
  expect(code).toBe(1);
  expect(stdout.trim().split("\n")).toEqual([expect.stringMatching(/^error: .*namespaces "elsewhere" not found/)]);
});

test("says how to see its flags and ends with 2 for wrong flags", async () => {
  const { code, stdout, stderr } = await preflight(settings(), ["--verbose"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^error: unknown option '--verbose'\nAdd --help /);
});
