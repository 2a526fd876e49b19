import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { startBrowser } from "../../local/kit/browser.ts";
import { freePorts } from "../../real-cluster/network.ts";
import { programsOf } from "../../real-cluster/programs.ts";
import { eventually } from "../../real-cluster/server-process.ts";
import { valueAt } from "../../shared/plain-data.ts";
import { ROOT } from "../support/run-program.ts";
import { type Claims, startTokenIssuer, type TokenIssuer } from "../support/token-issuer.ts";
import { type AStack, module, startStackWith } from "./a-stack.ts";

// The page in a real browser, behind a real oauth2-proxy with the values of keda/oauth2-proxy.yaml, at the address that
// they name. Only the issuer of the tokens is ours.

const HOST = "dispatcher.acme.example";
const ORIGIN = `https://${HOST}`;

let directory: string;
let issuer: TokenIssuer;
let stack: AStack;
let proxy: ChildProcess;
let said = "";
let browser: Browser;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "login-"));
  issuer = await startTokenIssuer();
  stack = await startStackWith(
    [module("idle", "true", { maxActive: 0 })],
    {},
    {
      settings: {
        PAGE_AT: ORIGIN,
        PAGE_ISSUER: issuer.url,
        PAGE_AUDIENCE: "app",
        PAGE_GROUPS: "viewer=lookers,operator=operators",
      },
    },
  );
  const [port = 0] = await freePorts(1);
  proxy = await startProxy(port);
  browser = await startBrowser({ [`${HOST}:443`]: `127.0.0.1:${port}` });
}, 600_000);
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  proxy?.kill("SIGKILL");
  await stack?.stop();
  await issuer?.close();
  await rm(directory, { recursive: true, force: true });
});

/** Starts oauth2-proxy with the example's values. Only addresses differ, and how soon a token is fetched anew. */
async function startProxy(port: number): Promise<ChildProcess> {
  const { "oauth2-proxy": program = "" } = await programsOf(["oauth2-proxy"]);
  const values: unknown = parse(await readFile(join(ROOT, "keda", "oauth2-proxy.yaml"), "utf8"));
  let config = String(valueAt(values, ["config", "configFile"]));
  for (const [what, instead] of [
    [/https:\/\/login\.microsoftonline\.com\/[\w-]+\/v2\.0/, issuer.url],
    [/http:\/\/dispatcher-page\.dispatcher\.svc\.cluster\.local/g, stack.app],
    [/cookie_refresh = "30m"/, 'cookie_refresh = "2s"'],
  ] as const) {
    expect(config).toMatch(what);
    config = config.replace(what, instead);
  }
  const { key, cert } = await makeCertificate();
  const file = (name: string) => join(directory, name);
  await writeFile(file("key.pem"), key);
  await writeFile(file("cert.pem"), cert);
  const listen = [
    'http_address = "-"',
    `https_address = "127.0.0.1:${port}"`,
    `tls_cert_file = "${file("cert.pem")}"`,
    `tls_key_file = "${file("key.pem")}"`,
  ];
  await writeFile(file("proxy.cfg"), [config, ...listen, ""].join("\n"));
  const child = spawn(program, ["--config", file("proxy.cfg")], {
    // The chart gives these from the Secret.
    env: {
      OAUTH2_PROXY_CLIENT_ID: "app",
      OAUTH2_PROXY_CLIENT_SECRET: "secret",
      OAUTH2_PROXY_COOKIE_SECRET: randomBytes(16).toString("hex"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  await eventually(20_000, () => said.includes(`:${port}`) || child.exitCode !== null);
  if (child.exitCode !== null) throw new Error(`oauth2-proxy ended: ${said}`);
  return child;
}

/** Opens a view as a person of this issuer, in a browser of their own. */
async function open(view: string, person: Claims): Promise<Page> {
  issuer.logIn(person);
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  contexts.push(context);
  const page = await context.newPage();
  await page.goto(`${ORIGIN}/api/ui/${view}`);
  return page;
}

interface Asked {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks from within the page, with the person's cookie, and follows nothing. */
function asked(page: Page, { path, headers = {}, body }: Asked) {
  return page.evaluate(
    async ([to, sent, text]) => {
      const post = text === undefined ? {} : { method: "POST", body: text };
      const response = await fetch(to, { headers: sent, redirect: "manual", ...post });
      return { status: response.status, text: await response.text() };
    },
    [path, headers, body] as const,
  );
}

const ACTION = { "content-type": "application/json", "x-dispatcher": "1" };

it("brings a person who is not logged in to the login, and then to the view, and the action log has the name", async () => {
  const page = await open("modules/idle", { groups: ["operators"] });
  await page.getByRole("heading", { name: "idle" }).waitFor();
  expect(page.url()).toBe(`${ORIGIN}/api/ui/modules/idle`);
  expect(issuer.asked.some((address) => address.startsWith("/tenant/authorize?"))).toBe(true);
  await page.getByRole("button", { name: "Pause idle" }).click();
  await page.getByText("Would be done").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Pause idle" }).click();
  await page.getByText("Done", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("link", { name: "Actions" }).click();
  await page.getByRole("cell", { name: "ada@acme.example" }).waitFor();
  await stack.dispatcher("modules", "resume", "idle");
});

it("lets a viewer look alone, and somebody of no group do nothing", async () => {
  const viewer = await open("modules/idle", { groups: ["lookers"] });
  await viewer.getByText("look only").waitFor();
  const posted = await asked(viewer, { path: "/api/v1/modules/idle/pause", headers: ACTION, body: "{}" });
  expect(posted).toMatchObject({ status: 403, text: expect.stringContaining("not-allowed") });
  const nobody = await open("", { groups: ["others"] });
  await nobody.getByText("Your role does not allow this").waitFor();
});

it("believes no header that a browser sends, and passes on nothing but the page and its API", async () => {
  const page = await open("", { groups: ["lookers"] });
  await page.getByText("look only").waitFor();
  const forged = {
    authorization: `Bearer ${await issuer.sign({ groups: ["operators"], aud: "other" })}`,
    "x-forwarded-user": "mallory",
    "x-forwarded-groups": "operators",
  };
  expect(await asked(page, { path: "/api/v1/session", headers: forged })).toMatchObject({
    status: 200,
    text: expect.stringContaining('"role":"viewer"'),
  });
  for (const path of ["/api/ready", "/api/settle", "/admin/host/status", "/"])
    expect([path, (await asked(page, { path })).status]).toEqual([path, 404]);
});

it("fetches another token before the first one ends, and says so once the login is over", async () => {
  const page = await open("", { groups: ["lookers"] });
  await page.getByText("look only").waitFor();
  const refreshed = () => issuer.asked.filter((what) => what === "refresh_token").length;
  const before = refreshed();
  await expect.poll(refreshed, { timeout: 20_000 }).toBeGreaterThan(before);
  expect(await asked(page, { path: "/api/v1/session" })).toMatchObject({ status: 200 });
  // An answer that is under way may bring the cookie back.
  const alerts = async () => {
    await page.context().clearCookies();
    return page.getByRole("alert").count();
  };
  await expect.poll(alerts, { timeout: 20_000 }).toBe(1);
  expect(await page.getByRole("alert").textContent()).toMatch(/login is over/);
  // A redirect to the login would be of no use to a script.
  expect(await asked(page, { path: "/api/v1/session" })).toMatchObject({ status: 401 });
});
