import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite/start-azurite.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { type DispatcherAccount, makeAccount } from "../../real-cluster/service-account.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import { ROOT } from "../support/run-program.ts";
import { denyJobsOf } from "./deny-jobs.ts";
import { accessOf } from "./dispatcher-under-test.ts";
import { restricted, sh } from "./module-files.ts";
import { mutateJobsOf } from "./mutate-jobs.ts";
import { makeNamespace, type TestNamespace } from "./namespace.ts";

function template(container: object): object {
  return { jobTemplate: { spec: { template: { spec: { containers: [container] } } } } };
}

const MODULES: Readonly<Record<string, object>> = {
  good: { worker: sh("echo done") },
  typo: template({ ...restricted("main", "echo done"), imagePullPolcy: "Always" }),
  broken: template({ ...restricted("main", "echo done"), volumeMounts: [{ name: "nowhere", mountPath: "/data" }] }),
  root: { worker: { ...sh("echo done"), securityContext: { runAsNonRoot: false, runAsUser: 0 } } },
  denied: { worker: sh("echo done") },
  mutated: { worker: sh("echo done") },
};

const admin = new KubeConfig();
let namespace: TestNamespace;
let account: DispatcherAccount;
let directory: string;
let policy: AsyncDisposable;
let broker: LocalBroker;
let azurite: Azurite;

beforeAll(async () => {
  admin.loadFromFile(inject("kubeconfig"));
  namespace = await makeNamespace(admin, `preflight-${randomUUID().slice(0, 8)}`, {
    "pod-security.kubernetes.io/warn": "restricted",
  });
  account = await makeAccount(admin, namespace.name, RIGHTS);
  directory = await mkdtemp(join(tmpdir(), "dispatcher-preflight-"));
  const tokenFile = join(directory, "token");
  await writeFile(tokenFile, await account.token(), { mode: 0o600 });
  await writeFile(
    join(directory, "kubeconfig"),
    kubeconfigText({ name: "dispatcher", ...accessOf(admin), tokenFile }),
    { mode: 0o600 },
  );
  broker = await startBroker({ entities: { queues: Object.keys(MODULES).map((name) => ({ name })), topics: [] } });
  azurite = await startAzurite();
  policy = await denyJobsOf({ admin, namespace: namespace.name }, "denied");
});
afterAll(async () => {
  await policy?.[Symbol.asyncDispose]();
  await azurite?.close();
  await broker?.close();
  await namespace?.remove();
  await rm(directory, { recursive: true, force: true });
});

/**
 * Runs the program of `npm run preflight` for these modules. Its lines are sorted, without the directory of the
 * modules.
 */
async function preflight(...modules: readonly string[]): Promise<{ code: number | null; lines: string[] }> {
  const modulesDir = await mkdtemp(join(directory, "modules-"));
  for (const name of modules)
    await writeFile(
      join(modulesDir, `${name}.yaml`),
      JSON.stringify({ name, source: { queue: name }, ...MODULES[name] }),
    );
  const env = {
    ServiceBus: broker.connectionString,
    AzureWebJobsStorage: azurite.connectionString,
    KUBECONFIG: join(directory, "kubeconfig"),
    JOB_NAMESPACE: namespace.name,
    MODULES_DIR: modulesDir,
  };
  const child = spawn(process.execPath, [join(ROOT, "dist", "cli", "main.js"), "preflight"], { cwd: directory, env });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  await once(child, "close");
  const lines = stdout.trim().replaceAll(`${modulesDir}/`, "").split("\n");
  return { code: child.exitCode, lines: lines.toSorted((a, b) => a.localeCompare(b)) };
}

test("a preflight finds nothing wrong with a good module, and creates nothing", async () => {
  expect(await preflight("good")).toEqual({
    code: 0,
    lines: [`nothing is wrong with 1 modules and namespace ${namespace.name}`],
  });
  const { items } = await admin.makeApiClient(BatchV1Api).listNamespacedJob({ namespace: namespace.name });
  expect(items).toEqual([]);
});

test("a preflight reports what the server warns of, by module and field, and ends with 0", async () => {
  const { code, lines } = await preflight("good", "typo", "root");
  expect(code).toBe(0);
  expect(lines).toEqual([
    expect.stringMatching(
      /^warning: module root \(root\.yaml\): the API server takes the Job, and warns: would violate PodSecurity "restricted:latest": runAsNonRoot != true/,
    ),
    'warning: module typo (typo.yaml): jobTemplate.spec.template.spec.containers[0].imagePullPolcy: the API server takes the Job, and warns: unknown field "spec.template.spec.containers[0].imagePullPolcy"',
  ]);
});

test("a preflight names the modules, and the field, whose Jobs the server refuses, and ends with 1", async () => {
  const { code, lines } = await preflight("good", "broken", "denied");
  expect(code).toBe(1);
  const refused = "the API server refuses the Job: ";
  const advice = ". Correct the module, or every message will be dead-lettered as JobNotStarted";
  expect(lines).toEqual([
    `error: module broken (broken.yaml): jobTemplate.spec.template.spec.containers[0].volumeMounts[0].name: ${refused}Not found: "nowhere" (spec.template.spec.containers[0].volumeMounts[0].name of the Job)${advice}`,
    expect.stringMatching(
      `^error: module denied \\(denied\\.yaml\\): ${refused}jobs\\.batch "denied-\\S+" is forbidden: ValidatingAdmissionPolicy .* denied request: no such work here${advice}$`,
    ),
  ]);
});

test("a preflight names what a policy of the cluster changes in a module's Jobs, and what would follow", async () => {
  await using _policy = await mutateJobsOf({ admin, namespace: namespace.name }, "mutated");
  const { code, lines } = await preflight("good", "mutated");
  expect(code).toBe(1);
  const changes = "error: module mutated (mutated.yaml): a policy or webhook of the cluster changes";
  const exempt = `Exempt the Jobs of namespace ${namespace.name} from it`;
  expect(lines).toEqual([
    `${changes} metadata.labels[app.kubernetes.io/instance] from "dispatcher" to "team-a" in the Job. The Dispatcher would not know its own Jobs, and start the next attempt beside one that runs. ${exempt}`,
    `${changes} spec.ttlSecondsAfterFinished from nothing to 100 in the Job. The cluster might delete a finished Job before the Dispatcher has seen how it ended, and the work would be done again. ${exempt}`,
  ]);
});

test("a preflight says that the namespace isn't there", async () => {
  const here = namespace;
  namespace = { ...here, name: "no-such-namespace" };
  const { code, lines } = await preflight("good").finally(() => {
    namespace = here;
  });
  expect(code).toBe(1);
  expect(lines).toHaveLength(RIGHTS.length);
  for (const line of lines)
    expect(line).toMatch(/^(error|warning): the Dispatcher may not .* in namespace no-such-namespace/);
});

test("a preflight that may not create Jobs says so once, and not for each module", async () => {
  await account.grant(RIGHTS.filter(({ verb }) => verb !== "create"));
  const wanted = `error: the Dispatcher may not create jobs.batch in namespace ${namespace.name}, which it needs to start an attempt: add that verb to its Role there`;
  await expect.poll(async () => (await preflight("good", "broken")).lines, { timeout: 30_000 }).toEqual([wanted]);
  await account.grant(RIGHTS);
});
