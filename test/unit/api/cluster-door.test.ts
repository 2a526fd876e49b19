import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeTokenLogin } from "../../../shared/adapters/open-id/token-login.ts";
import type { Role } from "../../../shared/api/caller.ts";
import { makeClusterDoor } from "../../../shared/api/cluster-door.ts";
import { PAGE, respond } from "../../../shared/api/door.ts";
import { makeRoom } from "../../../shared/api/room.ts";
import { runId } from "../../../shared/run/run.ts";
import { startTokenIssuer, type TokenIssuer, unsigned } from "../../support/token-issuer.ts";
import { makeWorld, type World, withRun } from "../../support/world.ts";

// Who may do what at the door of the app's own page. The tokens are those of a real issuer.

const ORIGIN = "https://dispatcher.acme.example";
const HOST = "dispatcher.acme.example";
const ROLES = new Map<string, Role>([
  ["lookers", "viewer"],
  ["operators", "operator"],
  ["admins", "admin"],
]);
/** What a page of this origin sends with an action. */
const ACTION = {
  "content-type": "application/json",
  "x-dispatcher": "page",
  "sec-fetch-site": "same-origin",
  origin: ORIGIN,
};
const PAUSE = "/api/v1/modules/thumbnail/pause";
const PURGE = "/api/v1/dead-letters/purge";

let issuer: TokenIssuer;
beforeAll(async () => {
  issuer = await startTokenIssuer();
});
afterAll(() => issuer.close());

type Headers = Readonly<Record<string, string>>;

/** The door of one Dispatcher. `isOpen`: whether people may come by a proxy. */
function doorOf(world: World, { isOpen = true } = {}) {
  const login = makeTokenLogin({ issuer: issuer.url, audience: "app" }, () => Date.now());
  const room = makeRoom(world.deps, world.log, { place: "here", target: [], fileMistakes: [], mayChange: true });
  const page = new Map([["index.html", { type: "text/html", content: Buffer.from("<p>page</p>") }]]);
  const of = { room: async () => room, page };
  const door = makeClusterDoor(of, isOpen ? { origin: ORIGIN, login, roles: ROLES } : undefined);
  return async (method: string, path: string, headers: Headers, body = "{}") => {
    const asked = { method, path, query: new URLSearchParams(), headers: new Map(Object.entries(headers)) };
    const {
      status,
      body: said,
      headers: answered,
    } = await respond(door, { ...asked, body: async () => body }, world.log);
    return { status, text: String(said), headers: answered };
  };
}

async function by(...groups: readonly string[]): Promise<Headers> {
  return bearing(await issuer.sign({ groups }));
}

const bearing = (token: string): Headers => ({ host: HOST, authorization: `Bearer ${token}` });
const typeOf = ({ text }: { text: string }) => String(JSON.parse(text).type).split(":").at(-1);

describe("over a port-forward", () => {
  const local = { host: "localhost:8080" };

  it.each(["localhost:8080", "127.0.0.1:9", "LOCALHOST"])("anyone may look, at %s", async (host) => {
    const ask = doorOf(makeWorld());
    expect((await ask("GET", "/api/v1/status", { host })).status).toBe(200);
    expect(JSON.parse((await ask("GET", "/api/v1/session", { host })).text)).toMatchObject({
      role: "viewer",
      mayChange: false,
    });
    expect(await ask("GET", `${PAGE}runs`, { host })).toMatchObject({ status: 200, text: "<p>page</p>" });
  });

  it("nobody may see what senders wrote", async () => {
    const world = await withRun();
    const run = encodeURIComponent(runId(world.run()));
    for (const of of ["runs", "dead-letters"]) {
      const answered = await doorOf(world)("GET", `/api/v1/${of}/${run}/content`, local);
      expect([answered.status, typeOf(answered)]).toEqual([403, "not-allowed"]);
    }
  });

  it("nobody may act, not even as a dry run, and nobody's token helps", async () => {
    const world = makeWorld();
    const ask = doorOf(world);
    const own = { ...local, ...ACTION, origin: "http://localhost:8080" };
    for (const body of ["{}", '{"dryRun":true}']) expect(typeOf(await ask("POST", PAUSE, own, body))).toBe("read-only");
    expect((await ask("POST", PAUSE, { ...own, ...(await by("admins")), ...local })).status).toBe(421);
    expect(await world.deps.instanceTable.limits()).toEqual([]);
  });

  it.each([
    ["x-forwarded-for", "10.0.0.1"],
    ["x-forwarded-host", HOST],
    ["x-forwarded-user", "ada"],
    ["x-forwarded-email", "ada@acme.example"],
    ["x-auth-request-groups", "admins"],
    ["forwarded", "for=10.0.0.1"],
    ["via", "1.1 proxy"],
    ["x-real-ip", "10.0.0.1"],
    ["authorization", "Bearer x"],
  ])("nothing comes in that a proxy forwarded, as %s shows", async (name, value) => {
    const answered = await doorOf(makeWorld())("GET", "/api/v1/status", { ...local, [name]: value });
    expect([answered.status, typeOf(answered)]).toEqual([421, "wrong-host"]);
  });

  it("no other site may ask", async () => {
    const ask = doorOf(makeWorld());
    for (const origin of ["http://evil.example", "null", "http://localhost:9", "https://localhost:8080"])
      expect((await ask("GET", "/api/v1/status", { ...local, origin })).status).toBe(403);
    // A picture's address has no Origin. Another port of this machine is the same site.
    for (const site of ["cross-site", "same-site"])
      expect((await ask("GET", "/api/v1/audit", { ...local, "sec-fetch-site": site })).status).toBe(403);
    for (const site of ["same-origin", "none"])
      expect((await ask("GET", "/api/v1/status", { ...local, "sec-fetch-site": site })).status).toBe(200);
  });
});

it.each(["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "10.0.0.7:8080", "[::1]:8080", ""])(
  "a name that is made to mean this server is refused, with a token too: %s",
  async (host) => {
    for (const isOpen of [true, false]) {
      const ask = doorOf(makeWorld(), { isOpen });
      for (const path of ["/api/v1/status", PAGE, "/api/v1/openapi.json"])
        expect((await ask("GET", path, { ...(await by("admins")), host })).status).toBe(421);
    }
  },
);

it("without a proxy in the settings its name is none of ours", async () => {
  expect((await doorOf(makeWorld(), { isOpen: false })("GET", "/api/v1/status", await by("admins"))).status).toBe(421);
});

describe("behind a proxy that logs in", () => {
  it("each role may do what it says, and what those before it may", async () => {
    const world = await withRun();
    const ask = doorOf(world);
    const run = encodeURIComponent(runId(world.run()));
    const dry = '{"dryRun":true}';
    const purge = JSON.stringify({ reason: "JobFailed", dryRun: true });
    const all = async (...groups: string[]) => {
      const who = { ...(await by(...groups)), ...ACTION };
      return [
        await ask("GET", "/api/v1/status", who),
        await ask("GET", `/api/v1/runs/${run}/content`, who),
        await ask("POST", PAUSE, who, dry),
        await ask("POST", PURGE, who, purge),
        await ask("POST", "/api/v1/runs/force", who, '{"runs":["x"],"as":"completed","dryRun":true}'),
        await ask("POST", "/api/v1/cluster/accept", who, dry),
        await ask("POST", "/api/v1/sources/accept-loss", who, '{"source":"thumbnails","dryRun":true}'),
      ].map(({ status }) => status);
    };
    expect(await all("lookers")).toEqual([200, 403, 403, 403, 403, 403, 403]);
    expect(await all("operators")).toEqual([200, 200, 200, 403, 403, 403, 403]);
    expect(await all("admins")).toEqual([200, 200, 200, 200, 200, 200, 200]);
    expect(await all("others", "lookers", "admins", "operators")).toEqual([200, 200, 200, 200, 200, 200, 200]);
  });

  it("a viewer who acts and an operator who purges change nothing, and are told which role it takes", async () => {
    const world = makeWorld();
    const ask = doorOf(world);
    const viewer = await ask("POST", PAUSE, { ...(await by("lookers")), ...ACTION });
    expect(viewer.text).toContain("takes the role operator, and yours is viewer");
    const operator = await ask("POST", PURGE, { ...(await by("operators")), ...ACTION }, '{"module":"-","count":0}');
    expect(operator.text).toContain("takes the role admin, and yours is operator");
    expect((await world.deps.instanceTable.limits()).length).toBe(0);
  });

  it("the action log has the name that the issuer vouches for, whatever else a request says", async () => {
    const world = makeWorld();
    const forged = { "x-forwarded-user": "eve", "x-forwarded-preferred-username": "eve", "x-auth-request-user": "eve" };
    const headers = { ...(await by("operators")), ...ACTION, ...forged };
    expect((await doorOf(world)("POST", PAUSE, headers, '{"why":"x"}')).status).toBe(200);
    const log = await doorOf(world)("GET", "/api/v1/actions", await by("lookers"));
    expect(JSON.parse(log.text).actions).toMatchObject([{ who: "ada@acme.example", why: "x" }]);
  });

  it("headers that claim a person are worth nothing", async () => {
    const claims = { "x-forwarded-user": "ada", "x-forwarded-groups": "admins", "x-auth-request-groups": "admins" };
    const answered = await doorOf(makeWorld())("GET", "/api/v1/status", { host: HOST, ...claims });
    expect([answered.status, typeOf(answered)]).toEqual([401, "no-login"]);
    const viewer = { ...(await by("lookers")), ...claims, ...ACTION };
    expect((await doorOf(makeWorld())("POST", PAUSE, viewer)).status).toBe(403);
  });

  it("no other token is taken", async () => {
    const ask = doorOf(makeWorld());
    const other = await startTokenIssuer();
    const groups = ["admins"];
    const tokens = {
      "a foreign issuer's": await other.sign({ groups, iss: issuer.url }),
      "one for another application": await issuer.sign({ groups, aud: "other" }),
      "one that is over": await issuer.sign({ groups, expiresIn: -120 }),
      "one that nobody signed": unsigned(await issuer.sign({ groups })),
    };
    await other.close();
    for (const [what, token] of Object.entries(tokens)) {
      const answered = await ask("GET", "/api/v1/status", bearing(token));
      expect([what, answered.status, typeOf(answered)]).toEqual([what, 401, "no-login"]);
      expect(answered.headers).toMatchObject({ "www-authenticate": "Bearer" });
    }
  });

  it("who is in no group with a role may not even look", async () => {
    const ask = doorOf(makeWorld());
    for (const groups of [["others"], []]) {
      const answered = await ask("GET", "/api/v1/status", await by(...groups));
      expect([answered.status, typeOf(answered)]).toEqual([403, "not-allowed"]);
      expect(answered.text).toContain("You are ada@acme.example");
    }
  });

  it("an action comes from the page itself, as the browser says", async () => {
    const world = makeWorld();
    const ask = doorOf(world);
    const admin = await by("admins");
    const { "sec-fetch-site": _, ...silent } = ACTION;
    const { "x-dispatcher": __, ...formless } = ACTION;
    const wrong = [
      { ...ACTION, "sec-fetch-site": "cross-site" },
      { ...ACTION, "sec-fetch-site": "same-site" },
      { ...ACTION, origin: "https://evil.example" },
      { ...ACTION, origin: `http://${HOST}` },
      silent,
      formless,
    ];
    for (const headers of wrong) expect((await ask("POST", PAUSE, { ...admin, ...headers })).status).toBe(403);
    const text = { ...ACTION, "content-type": "text/plain" };
    expect((await ask("POST", PAUSE, { ...admin, ...text })).status).toBe(415);
    expect(await world.deps.instanceTable.limits()).toEqual([]);
  });

  it("a body that is too large is refused", async () => {
    const body = JSON.stringify({ why: "x".repeat(3_000_000) });
    const answered = await doorOf(makeWorld())("POST", PAUSE, { ...(await by("admins")), ...ACTION }, body);
    expect(answered.status).toBe(413);
  });
});
