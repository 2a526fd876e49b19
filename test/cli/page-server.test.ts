import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { roomOf } from "../../cli/page/room-of.ts";
import { serve } from "../../cli/page/serve.ts";
import { PAGE } from "../../shared/api/door.ts";
import { makeWorld } from "../support/world.ts";

// What keeps other sites and programs from the server of the page.

const TOKEN = "a-token";
const world = makeWorld();
let served: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  const target = { ...world, words: "here", modules: async () => ({ modules: [], wrongFiles: [] }) };
  served = await serve({
    room: roomOf(target, { target: [], mayChange: true }),
    caller: { role: "admin", who: async () => "ada@laptop" },
    token: TOKEN,
    page: new Map([
      ["index.html", { type: "text/html; charset=utf-8", content: Buffer.from("<p>page</p>") }],
      ["page.js", { type: "text/javascript; charset=utf-8", content: Buffer.from("1;") }],
    ]),
    log: world.log,
    port: 0,
  });
});
afterAll(() => {
  served.server.closeAllConnections();
  served.server.close();
});

it("an audit is shared by all who ask, also if the module files are read anew meanwhile", async () => {
  const { deps, log } = makeWorld();
  let goOn = () => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  let looks = 0;
  const identities = async (...asked: Parameters<typeof deps.table.identities>) => {
    looks += 1;
    await held;
    return deps.table.identities(...asked);
  };
  const modules = async () => ({ modules: [], wrongFiles: [] });
  const slow = { ...deps, table: { ...deps.table, identities } };
  const room = roomOf({ deps: slow, log, words: "here", modules }, { target: [], mayChange: true });
  vi.useFakeTimers({ toFake: ["performance"] });
  const first = (await room()).audit();
  vi.advanceTimersByTime(11_000);
  const second = (await room()).audit();
  vi.useRealTimers();
  goOn();
  expect(await first).toBe(await second);
  expect(looks).toBe(1);
});

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks as any program may, with whatever Host and Origin. */
async function ask(path: string, { method = "GET", headers = {}, body = "" }: Asked = {}) {
  const host = `127.0.0.1:${served.port}`;
  const sent = request({ port: served.port, host: "127.0.0.1", path, method, headers: { host, ...headers } });
  sent.end(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).once("error", reject);
  });
  let text = "";
  for await (const part of response) text += String(part);
  return { status: response.statusCode, headers: response.headers, text };
}

const authorization = `Bearer ${TOKEN}`;
const action = { authorization, "content-type": "application/json", "x-dispatcher": "1" };
const PAUSE = "/api/v1/modules/thumbnail/pause";

describe("the server of the page", () => {
  it("listens on this machine alone", () => {
    expect(served.server.address()).toMatchObject({ address: "127.0.0.1" });
  });

  it("answers who has the token", async () => {
    expect(await ask("/api/v1/session", { headers: { authorization } })).toMatchObject({ status: 200 });
    expect(
      await ask("/api/v1/session", { headers: { authorization, host: `localhost:${served.port}` } }),
    ).toMatchObject({
      status: 200,
    });
  });

  it.each([undefined, "Bearer", "Bearer other", "Basic YTpi", TOKEN])("refuses the token %s", async (given) => {
    const headers = given === undefined ? {} : { authorization: given };
    const { status, text } = await ask("/api/v1/session", { headers });
    expect([status, JSON.parse(text)]).toMatchObject([401, { type: "urn:dispatcher:problem:no-token" }]);
  });

  it("refuses a name that is made to mean this machine, also with the token", async () => {
    for (const host of ["evil.example", `evil.example:${served.port}`, "127.0.0.1", `127.0.0.1:${served.port + 1}`])
      for (const path of ["/api/v1/session", PAGE])
        expect(await ask(path, { headers: { authorization, host } })).toMatchObject({ status: 421 });
  });

  it("refuses another site, also with the token", async () => {
    for (const origin of [
      "http://evil.example",
      "null",
      `https://127.0.0.1:${served.port}`,
      `http://127.0.0.1:${served.port + 1}`,
    ]) {
      const sent = { method: "POST", headers: { ...action, origin }, body: "{}" };
      expect(await ask(PAUSE, sent)).toMatchObject({ status: 403 });
    }
    const crossSite = { ...action, "sec-fetch-site": "cross-site" };
    expect(await ask(PAUSE, { method: "POST", headers: crossSite, body: "{}" })).toMatchObject({ status: 403 });
    expect(await world.deps.instanceTable.limits()).toEqual([]);
  });

  it("lets no other site ask in advance", async () => {
    const headers = { origin: "http://evil.example", "access-control-request-method": "POST" };
    const asked = await ask(PAUSE, { method: "OPTIONS", headers });
    expect(asked.status).toBe(403);
    expect(Object.keys(asked.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("takes an action of its own page, and of a program that has the token", async () => {
    const own = { ...action, origin: `http://127.0.0.1:${served.port}`, "sec-fetch-site": "same-origin" };
    for (const headers of [own, action])
      expect(await ask(PAUSE, { method: "POST", headers, body: '{"dryRun":true}' })).toMatchObject({ status: 200 });
  });

  it("refuses a body that is too large, and says so", async () => {
    const body = JSON.stringify({ why: "x".repeat(3_000_000) });
    expect(await ask(PAUSE, { method: "POST", headers: action, body })).toMatchObject({ status: 413 });
  });

  it("gives the page at each of its addresses, and lets it load nothing else", async () => {
    for (const path of [PAGE, `${PAGE}runs/a%2Fb:1:2`, `${PAGE}?x`]) {
      const { status, headers, text } = await ask(path);
      expect([status, text]).toEqual([200, "<p>page</p>"]);
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
      expect(headers["content-security-policy"]).not.toContain("unsafe");
      expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    }
    expect(await ask(`${PAGE}page.js`)).toMatchObject({ status: 200, text: "1;" });
    expect(await ask("/")).toMatchObject({ status: 302, headers: { location: PAGE } });
    expect(await ask("/etc/passwd")).toMatchObject({ status: 404 });
    expect(await ask(PAGE, { method: "POST" })).toMatchObject({ status: 405 });
  });

  it("survives what is no HTTP", async () => {
    const socket = connect(served.port, "127.0.0.1");
    socket.end("GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n\0\0");
    socket.resume();
    await once(socket, "close");
    expect(await ask("/api/v1/session", { headers: { authorization } })).toMatchObject({ status: 200 });
  });
});
