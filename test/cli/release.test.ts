import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { announce } from "../../cli/target/announce.ts";
import { findTarget } from "../../cli/target/find-target.ts";
import { whoActs } from "../../cli/target/who-acts.ts";

// What findTarget reads of a release, from an API server that answers with what the chart renders.

const MODULE = "name: greet\nsource: { queue: greetings }\nworker: { image: busybox }\n";
const BUS = "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=Yg==";
const SECRET = { kind: "Secret", data: { connection: Buffer.from(BUS).toString("base64") } };
const MAP = { kind: "ConfigMap", data: { "greet.yaml": MODULE } };
const REVIEW = { kind: "SelfSubjectReview", status: { userInfo: { username: "ada@acme.example" } } };

const byIdentity = [
  { name: "ServiceBus__fullyQualifiedNamespace", value: "acme.servicebus.windows.net" },
  { name: "AzureWebJobsStorage__accountName", value: "acme" },
];
const usual = [
  { name: "DISPATCHER_INSTANCE", value: "prod" },
  { name: "JOB_NAMESPACE", value: "jobs" },
  { name: "MODULES_DIR", value: "/etc/dispatcher/modules" },
  { name: "HTTPS_PROXY", value: "http://proxy.of.the.pod:3128" },
  { name: "NODE_OPTIONS", value: "--max-old-space-size=96" },
];
const aDeployment = (env: readonly object[] = [...byIdentity, ...usual], name = "dispatcher") => ({
  metadata: { name },
  spec: {
    template: {
      spec: {
        containers: [
          { name: "dispatcher", env, volumeMounts: [{ name: "modules", mountPath: "/etc/dispatcher/modules" }] },
        ],
        volumes: [
          { name: "modules", configMap: { name: `${name}-modules` } },
          { name: "tmp", emptyDir: {} },
        ],
      },
    },
  },
});

let server: Server;
let directory: string;
/** What the API server has, by path. A number is a status code. */
let objects: Record<string, object | number>;
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(`${request.method} ${path}`);
    const found = objects[path.split("?")[0] ?? ""] ?? 404;
    const code = typeof found === "number" ? found : 200;
    response.writeHead(code, { "Content-Type": "application/json" });
    const status = { kind: "Status", message: `${path} is not for you`, reason: "Forbidden", code };
    response.end(JSON.stringify(typeof found === "number" ? status : found));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  directory = await mkdtemp(join(tmpdir(), "release-"));
  const context = (name: string, namespace?: string) => ({ name, context: { cluster: "c", user: "u", namespace } });
  const kubeconfig = {
    "current-context": "prod",
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [context("prod"), context("test", "elsewhere")],
  };
  await writeFile(join(directory, "config"), JSON.stringify(kubeconfig));
  vi.stubEnv("KUBECONFIG", join(directory, "config"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  server.close();
  await rm(directory, { recursive: true, force: true });
});
afterEach(() => void asked.splice(0));

const BASE = {
  "/apis/apps/v1/namespaces/dispatcher/deployments": { items: [aDeployment()] },
  "/api/v1/namespaces/dispatcher/configmaps/dispatcher-modules": MAP,
  "/apis/authentication.k8s.io/v1/selfsubjectreviews": REVIEW,
};
const with_ = (over: Record<string, object | number>) => (objects = { ...BASE, ...over });

describe("the Dispatcher in a cluster", () => {
  test("is found by the chart's labels, and has the settings and modules of its pod", async () => {
    with_({});
    const found = await findTarget({ context: "prod" });
    expect(found).toMatchObject({
      kind: "release",
      words: "release dispatcher in namespace dispatcher of context prod",
      settings: {
        serviceBus: { kind: "identity", fullyQualifiedNamespace: "acme.servicebus.windows.net" },
        tables: { kind: "identity", endpoint: "https://acme.table.core.windows.net" },
        instance: "prod",
        jobNamespace: "jobs",
        kubeconfig: undefined,
      },
    });
    expect(await readFile(join(found.settings.modulesDir, "greet.yaml"), "utf8")).toBe(MODULE);
    expect(process.env["HTTPS_PROXY"]).not.toBe("http://proxy.of.the.pod:3128");
    expect(asked[0]).toBe(
      "GET /apis/apps/v1/namespaces/dispatcher/deployments?labelSelector=app.kubernetes.io%2Fname%3Ddispatcher",
    );
    await found.cleanUp?.();
    await expect(readFile(join(found.settings.modulesDir, "greet.yaml"))).rejects.toThrow("ENOENT");
  });

  test("may keep its connection strings in a Secret", async () => {
    const secret = { name: "ServiceBus", valueFrom: { secretKeyRef: { name: "bus", key: "connection" } } };
    const env = [secret, ...byIdentity.slice(1), ...usual];
    with_({
      "/apis/apps/v1/namespaces/dispatcher/deployments": { items: [aDeployment(env)] },
      "/api/v1/namespaces/dispatcher/secrets/bus": SECRET,
    });
    const { settings, cleanUp } = await findTarget({ namespace: "dispatcher" });
    expect(settings.serviceBus).toMatchObject({ kind: "connectionString", value: BUS });
    await cleanUp?.();

    with_({
      "/apis/apps/v1/namespaces/dispatcher/deployments": { items: [aDeployment(env)] },
      "/api/v1/namespaces/dispatcher/secrets/bus": 403,
    });
    await expect(findTarget({ context: "prod" })).rejects.toThrow(
      "ServiceBus of the Dispatcher in namespace dispatcher of context prod is in Secret bus, key connection. You may not read Secret bus in namespace dispatcher of context prod. Ask for the right to get and list it there. Or set ServiceBus in the environment.",
    );
    vi.stubEnv("ServiceBus", BUS);
    const own = await findTarget({ context: "prod" });
    vi.stubEnv("ServiceBus", undefined);
    expect(own.settings.serviceBus).toMatchObject({ kind: "connectionString", value: BUS });
    await own.cleanUp?.();
  });

  test("is asked for in words of its own where there is none at all", async () => {
    const { HOME } = process.env;
    vi.stubEnv("KUBECONFIG", undefined);
    vi.stubEnv("HOME", directory);
    await expect(findTarget({ namespace: "dispatcher" })).rejects.toThrow(
      /^There is no Dispatcher to ask: none runs on this machine.* Start one with: dispatcher up\./,
    );
    vi.stubEnv("HOME", HOME);
    vi.stubEnv("KUBECONFIG", join(directory, "config"));
  });

  test("is looked for in the namespace of the context, if none is given", async () => {
    with_({ "/apis/apps/v1/namespaces/elsewhere/deployments": { items: [] } });
    await expect(findTarget({ context: "test" })).rejects.toThrow(
      /^There is no Dispatcher in namespace elsewhere of context test\. Name the namespace of its release with --namespace/,
    );
  });

  test.each([
    [
      "two of them",
      { items: [aDeployment(), aDeployment(usual, "other")] },
      /two Dispatchers .*dispatcher and other.*: kubectl --context 'prod' -n dispatcher exec deploy\/dispatcher -- node/,
    ],
    ["no right to look", 403, /^You may not read Deployments in namespace dispatcher of context prod\./],
    ["a server that fails", 500, /^Deployments in namespace dispatcher of context prod can't be read: /],
    ["no modules in a ConfigMap", { items: [aDeployment(byIdentity)] }, /Run the command in its pod\.$/],
  ])("is refused in a sentence: %s", async (_, answer, says) => {
    with_({ "/apis/apps/v1/namespaces/dispatcher/deployments": answer });
    await expect(findTarget({ context: "prod" })).rejects.toThrow(says);
  });

  test("is not looked for in a context that isn't there", async () => {
    await expect(findTarget({ context: "nowhere" })).rejects.toThrow(
      "The kubeconfig has no context nowhere. Give --context one of: prod, test",
    );
  });

  test("knows who acts, and says so before anything is changed", async () => {
    with_({});
    const found = await findTarget({ context: "prod" });
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    expect(await announce(found, "pause greet")).toBe("ada@acme.example");
    expect(said.mock.calls.map(([line]) => line)).toEqual([
      "pause greet in release dispatcher in namespace dispatcher of context prod (bus acme.servicebus.windows.net, Jobs in namespace jobs), as ada@acme.example\n",
    ]);
    said.mockRestore();
    with_({ "/apis/authentication.k8s.io/v1/selfsubjectreviews": 404 });
    expect(await whoActs(found)).toBe("u");
    await found.cleanUp?.();
  });
});
