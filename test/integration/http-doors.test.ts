import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type LoadedApp, loadApp } from "../../host/core-api.ts";
import { makeHostLog } from "../../host/host-log.ts";
import { serve } from "../../host/http-listener.ts";
import type { Invoke } from "../../host/invoke.ts";
import { type LocalCluster, startCluster } from "../../local/cluster/start-cluster.ts";
import { busEntities } from "../../local/stack/bus-entities.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { ROOT } from "../support/run-program.ts";

/** The functions that need no key, because a kubelet has none. */
const OPEN = ["live", "ready"];

const log = makeHostLog(() => {});
let directory: string;
let bus: LocalBus;
let cluster: LocalCluster;
let app: LoadedApp;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-doors-"));
  cluster = await startCluster({ directory, namespace: "jobs", stub: true });
  const modulesDir = join(ROOT, "modules");
  const sources = loadModules(modulesDir).map(({ source }) => source);
  bus = await startLocalBus(busEntities(sources, { lockDurationMs: 60_000, filters: {} }));
  vi.stubEnv("ServiceBus", bus.broker.connectionString);
  vi.stubEnv("AzureWebJobsStorage", "UseDevelopmentStorage=true");
  vi.stubEnv("KUBECONFIG", cluster.kubeconfigPath);
  vi.stubEnv("JOB_NAMESPACE", "jobs");
  vi.stubEnv("MODULES_DIR", modulesDir);
  app = await loadApp(join(ROOT, "dist", "functions", "index.js"), () => {});
}, 60_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await bus?.close();
  await cluster?.close();
  await rm(directory, { recursive: true, force: true });
});

const httpFunctions = () =>
  [...app.functions.values()].filter(({ trigger }) => trigger.binding.type.toLowerCase() === "httptrigger");

test("health alone is open, and can only be read; any other HTTP function needs a key of the host", () => {
  const doors = httpFunctions().map(({ name, trigger: { binding } }) => ({
    name,
    authLevel: String(binding["authLevel"]).toLowerCase(),
    methods: binding["methods"],
  }));
  expect(doors.filter(({ name }) => OPEN.includes(name))).toEqual(
    OPEN.map((name) => ({ name, authLevel: "anonymous", methods: ["GET"] })),
  );
  const others = doors.filter(({ name }) => !OPEN.includes(name));
  expect(others.filter(({ authLevel }) => authLevel !== "function" && authLevel !== "admin")).toEqual([]);
});

test("the small host has no door of its own: nothing starts, lists or reads functions over HTTP", async () => {
  const invoke = vi.fn<Invoke>(async () => undefined);
  const http = await serve({
    functions: httpFunctions(),
    routePrefix: "api",
    port: 0,
    address: "127.0.0.1",
    invoke,
    log,
  });
  const paths = [
    "/",
    "/admin",
    "/admin/host/status",
    "/admin/functions/reconcile",
    "/runtime/webhooks/x",
    "/api",
    "/api/reconcile",
  ];
  for (const path of paths) {
    for (const method of ["GET", "POST"]) {
      const { status } = await fetch(`http://127.0.0.1:${http.port}${path}`, { method });
      expect({ path, method, status }).toEqual({ path, method, status: 404 });
    }
  }
  expect((await fetch(`http://127.0.0.1:${http.port}/api/health/live`, { method: "POST" })).status).toBe(405);
  expect(invoke).not.toHaveBeenCalled();
  await http.stop();
});
