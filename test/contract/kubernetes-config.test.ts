import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { ConfigError } from "../../shared/errors.ts";

/** How old the library's copy of such a file must be before the library reads the file again. */
const STALE_MS = 61_000;

/** After so long an idle connection is surely gone, if undici is left its own patience of 4 s. */
const UNDICI_PATIENCE_MS = 5_500;

let directory = "";
const shown: (string | undefined)[] = [];
const server = createServer((request, response) => {
  shown.push(request.headers.authorization);
  const table = { kind: "Table", metadata: {}, columnDefinitions: [], rows: [] };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(table));
});

// The API server says in no header how long it keeps a connection.
server.keepAliveTimeout = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-kubeconfig-"));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
});
afterEach(async () => {
  vi.useRealTimers();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

async function clusterOf(user: object, timeoutMs?: number) {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const kubeconfig = join(directory, "kubeconfig");
  const named = { name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } };
  const context = { name: "x", context: { cluster: "c", user: "u" } };
  const content = { clusters: [named], users: [{ name: "u", user }], contexts: [context], "current-context": "x" };
  await writeFile(kubeconfig, JSON.stringify(content));
  return makeKubernetesJobs({ kubeconfig, namespace: "jobs", instance: "one", ...(timeoutMs ? { timeoutMs } : {}) });
}

describe("a kubeconfig file with a tokenFile", () => {
  test("shows the token in it, found beside the kubeconfig, and another one when it was replaced", async () => {
    await writeFile(join(directory, "token"), "first");
    const cluster = await clusterOf({ tokenFile: "token" });
    shown.length = 0;
    await cluster.listJobs();
    await writeFile(join(directory, "token"), "second");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + STALE_MS });
    await cluster.listJobs();
    expect(shown).toEqual(["Bearer first", "Bearer second"]);
  });

  test("is used only if there is no token, which goes first", async () => {
    const cluster = await clusterOf({ token: "own", tokenFile: "no-such-file" });
    shown.length = 0;
    await cluster.listJobs();
    expect(shown).toEqual(["Bearer own"]);
  });

  test("is an outage while the file is missing", async () => {
    const cluster = await clusterOf({ tokenFile: "no-such-file" });
    await expect(cluster.listJobs()).rejects.toThrow(/no credentials by the kubeconfig .*no-such-file/);
  });

  test("that is broken otherwise is refused", async () => {
    await writeFile(join(directory, "kubeconfig"), "users: [");
    const broken = { kubeconfig: join(directory, "kubeconfig"), namespace: "jobs", instance: "one" };
    expect(() => makeKubernetesJobs(broken)).toThrow(ConfigError);
  });
});

test("a connection that nobody used for some seconds is used again", async () => {
  let connections = 0;
  const count = () => void (connections += 1);
  server.on("connection", count);
  const cluster = await clusterOf({ token: "own" });
  await cluster.listJobs();
  await sleep(UNDICI_PATIENCE_MS);
  await cluster.listJobs();
  server.off("connection", count);
  expect(connections).toBe(1);
}, 20_000);

describe("a kubeconfig whose command hangs", () => {
  test("holds up no call, starts no second command, and is used again once the command has ended", async () => {
    const goOn = join(directory, "go-on");
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "late" },
    };
    const script = `echo started >> "${directory}/starts"; until [ -e "${goOn}" ]; do sleep 0.05; done; echo '${JSON.stringify(credential)}'`;
    const exec = { apiVersion: credential.apiVersion, command: "sh", args: ["-c", script], interactiveMode: "Never" };
    const cluster = await clusterOf({ exec }, 200);
    await expect(cluster.listJobs()).rejects.toThrow(
      "no credentials by the kubeconfig (its command did not end within 200 ms)",
    );
    await expect(cluster.listJobs()).rejects.toThrow("no credentials by the kubeconfig (its command still hangs)");
    await writeFile(goOn, "");
    await vi.waitFor(() => cluster.listJobs(), { timeout: 10_000 });
    expect(await readFile(join(directory, "starts"), "utf8")).toBe("started\n");
    expect(shown.at(-1)).toBe("Bearer late");
  });
});

describe("a kubeconfig whose command gets short-lived tokens", () => {
  test("asks the command once for requests that come together, and again a second later", async () => {
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "brief", expirationTimestamp: "2001-01-01T00:00:00Z" },
    };
    const script = `echo started >> "${directory}/starts"; echo '${JSON.stringify(credential)}'`;
    const exec = { apiVersion: credential.apiVersion, command: "sh", args: ["-c", script], interactiveMode: "Never" };
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const cluster = await clusterOf({ exec });
    const starts = async () => (await readFile(join(directory, "starts"), "utf8")).split("\n").length - 1;
    shown.length = 0;
    await Promise.all([cluster.listJobs(), cluster.listPods()]);
    await cluster.listCancelled();
    expect(await starts()).toBe(1);
    vi.setSystemTime(Date.now() + 1_000);
    await cluster.listJobs();
    expect(await starts()).toBe(2);
    expect(new Set(shown)).toEqual(new Set(["Bearer brief"]));
  });
});
