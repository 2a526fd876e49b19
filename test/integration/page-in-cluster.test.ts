import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type LoadedApp, loadApp } from "../../host/core-api.ts";
import { makeHostLog } from "../../host/host-log.ts";
import { serve } from "../../host/http-listener.ts";
import { makeInvoke } from "../../host/invoke.ts";
import { busEntities } from "../../local/stack/bus-entities.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { ROOT } from "../support/run-program.ts";
import { startTokenIssuer, type TokenIssuer } from "../support/token-issuer.ts";

// The built app with its page on, asked over HTTP through the small host, as a browser, a proxy or a stranger would.

const HOST = "dispatcher.acme.example";
/** Of a cluster that is not there. */
const KUBECONFIG = JSON.stringify({
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name: "none", cluster: { server: "https://127.0.0.1:1" } }],
  users: [{ name: "none", user: {} }],
  contexts: [{ name: "none", context: { cluster: "none", user: "none" } }],
  "current-context": "none",
});
const log = makeHostLog(() => {});
let directory: string;
let bus: LocalBus;
let issuer: TokenIssuer;
let app: LoadedApp;
let http: Awaited<ReturnType<typeof serve>>;

const httpFunctions = () =>
  [...app.functions.values()].filter(({ trigger }) => trigger.binding.type.toLowerCase() === "httptrigger");

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-page-"));
  issuer = await startTokenIssuer();
  const kubeconfig = join(directory, "kubeconfig");
  await writeFile(kubeconfig, KUBECONFIG);
  const modulesDir = join(ROOT, "modules");
  const sources = loadModules(modulesDir).map(({ source }) => source);
  bus = await startLocalBus(busEntities(sources, { lockDurationMs: 60_000, filters: {} }));
  vi.stubEnv("ServiceBus", bus.broker.connectionString);
  // Neither table nor cluster is there, so that what needs them is away.
  vi.stubEnv("AzureWebJobsStorage", "UseDevelopmentStorage=true");
  vi.stubEnv("KUBECONFIG", kubeconfig);
  vi.stubEnv("JOB_NAMESPACE", "jobs");
  vi.stubEnv("MODULES_DIR", modulesDir);
  vi.stubEnv("PAGE_AT", `https://${HOST}`);
  vi.stubEnv("PAGE_ISSUER", issuer.url);
  vi.stubEnv("PAGE_AUDIENCE", "app");
  vi.stubEnv("PAGE_GROUPS", "viewer=lookers,operator=operators");
  app = await loadApp(join(ROOT, "dist", "functions", "index.js"), () => {});
  http = await serve({
    functions: httpFunctions(),
    routePrefix: "api",
    port: 0,
    address: "127.0.0.1",
    invoke: makeInvoke(app, log, 60_000),
    log,
  });
}, 60_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await http?.stop();
  await bus?.close();
  await issuer?.close();
  await rm(directory, { recursive: true, force: true });
});

type Headers = Readonly<Record<string, string>>;

/** Asks as any program may, with whatever Host. */
async function ask(method: string, path: string, headers: Headers, body = "") {
  const sent = request({ port: http.port, host: "127.0.0.1", path, method, headers });
  sent.end(body);
  const [response]: IncomingMessage[] = await once(sent, "response");
  let text = "";
  for await (const part of response ?? []) text += String(part);
  return { status: response?.statusCode, headers: response?.headers ?? {}, text };
}

const bearing = async (...groups: string[]) => ({
  host: HOST,
  authorization: `Bearer ${await issuer.sign({ groups })}`,
});
const action = { "content-type": "application/json", "x-dispatcher": "1", "sec-fetch-site": "same-origin" };

test("page and API are open to the host, because their door looks who asks", () => {
  const doors = httpFunctions().map(({ name, trigger: { binding } }) => [
    name,
    binding["authLevel"],
    binding["methods"],
  ]);
  expect(doors.filter(([name]) => name === "api" || name === "page")).toEqual([
    ["api", "anonymous", ["GET", "POST"]],
    ["page", "anonymous", ["GET"]],
  ]);
});

test("the built page is served, with a policy that lets it load nothing else", async () => {
  for (const path of ["/api/ui/", "/api/ui/runs/a%2Fb%3A1"]) {
    const { status, headers, text } = await ask("GET", path, { host: "localhost:8080" });
    expect([status, text]).toEqual([200, expect.stringContaining("<title>Dispatcher</title>")]);
    expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
  }
  expect((await ask("GET", "/api/ui/page.js", { host: HOST })).headers["content-type"]).toMatch(/^text\/javascript/);
  expect(await ask("GET", "/api/ui", { host: HOST })).toMatchObject({ status: 302, headers: { location: "/api/ui/" } });
  expect((await ask("POST", "/api/ui/", { host: HOST })).status).toBe(405);
});

test("a port-forward looks, and acts never", async () => {
  const session = await ask("GET", "/api/v1/session", { host: "localhost:8080" });
  expect([session.status, JSON.parse(session.text)]).toMatchObject([200, { role: "viewer", mayChange: false }]);
  const etag = String(session.headers["etag"]);
  expect(await ask("GET", "/api/v1/session", { host: "localhost:8080", "if-none-match": etag })).toMatchObject({
    status: 304,
    text: "",
  });
  const posted = await ask("POST", "/api/v1/cluster/accept", { host: "localhost:8080", ...action }, "{}");
  expect([posted.status, JSON.parse(posted.text).type]).toEqual([403, "urn:dispatcher:problem:read-only"]);
  expect((await ask("GET", "/api/v1/session", { host: "localhost", "x-forwarded-user": "ada" })).status).toBe(421);
});

test("a person comes with a token, and no other way", async () => {
  expect((await ask("GET", "/api/v1/session", { host: HOST, "x-forwarded-user": "ada" })).status).toBe(401);
  expect((await ask("GET", "/api/v1/session", { ...(await bearing("lookers")), host: "evil.example" })).status).toBe(
    421,
  );
  const session = await ask("GET", "/api/v1/session", await bearing("operators"));
  expect(JSON.parse(session.text)).toMatchObject({ role: "operator", mayChange: true, place: `https://${HOST}` });
  const purge = await ask("POST", "/api/v1/dead-letters/purge", { ...(await bearing("operators")), ...action }, "{}");
  expect([purge.status, JSON.parse(purge.text).type]).toEqual([403, "urn:dispatcher:problem:not-allowed"]);
});

test("if a dependency is away, that is the answer, and no mistake of ours", async () => {
  const status = await ask("GET", "/api/v1/runs", await bearing("lookers"));
  expect([status.status, status.headers["content-type"]]).toEqual([503, "application/problem+json"]);
}, 60_000);

test("what is no address, no host or far too large is refused by the small host itself", async () => {
  expect((await ask("GET", "/api/v1/runs/%ff", { host: "localhost" })).status).toBe(400);
  expect((await ask("GET", "/api/v1/session", { host: "a b" })).status).toBe(400);
  expect((await ask("GET", "/api/v1/session", { host: "ada:x@localhost" })).status).toBe(400);
  const large = "x".repeat(4_200_000);
  expect((await ask("POST", "/api/v1/cluster/accept", { host: "localhost", ...action }, large)).status).toBe(413);
});
