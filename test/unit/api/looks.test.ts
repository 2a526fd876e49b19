import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ROUTES, routesAt } from "../../../shared/api/routes.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { keyOf, runId } from "../../../shared/run/run.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { apiOf, textAt } from "../../support/api-of.ts";
import { makeWorld, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

/** A world with one run at work, one dead letter of a run, and one of others. */
async function aWorld(): Promise<{ world: World; open: string; letter: string; other: string }> {
  const world = makeWorld();
  await world.send({ messageId: "m-bad" });
  world.cluster.fail(world.jobName(), 64);
  await ticks(world, () => world.open().length === 0);
  await withRun(world, { messageId: "m-open", body: Buffer.from('{"secret":"body"}') });
  const [closed] = world.closed();
  if (!closed) throw new Error("no run was closed");
  const theirs = world.broker.deliver(SOURCE, { messageId: "m-theirs" });
  await world.broker.deadLetterLocked(SOURCE, theirs.lockToken, { reason: "Theirs", description: "", properties: {} });
  const [other] = (await makeOperator(world.deps, world.log).otherLetters({ limit: 1 })).letters;
  if (!other) throw new Error("no letter of others");
  return { world, open: runId(world.run()), letter: runId(closed), other: runId(other) };
}

/** Each look by its name, with the address at which it has something to say. */
function addresses(made: { open: string; letter: string; other: string }): Record<string, string> {
  const [run, dead, other] = [made.open, made.letter, made.other].map(encodeURIComponent);
  return {
    session: "/session",
    status: "/status",
    listRuns: "/runs?module=thumbnail&limit=10",
    search: "/search?id=m-open",
    showRun: `/runs/${run}`,
    showContent: `/runs/${run}/content`,
    showJob: `/runs/${run}/job`,
    explainRun: `/runs/${run}/explanation`,
    readLogs: `/runs/${run}/logs?attempt=1`,
    readLastLines: `/last-lines?runs=${run},${dead}`,
    listFailureGroups: "/failure-groups?module=thumbnail",
    listDeadLetters: "/dead-letters?reason=JobFailed",
    showDeadLetter: `/dead-letters/${dead}`,
    showDeadLetterContent: `/dead-letters/${dead}/content`,
    listOtherDeadLetters: "/other-letters",
    showOtherDeadLetter: `/other-letters/${other}`,
    showOtherDeadLetterContent: `/other-letters/${other}/content`,
    listRedrives: "/redrives",
    listModules: "/modules",
    audit: "/audit",
    listActions: "/actions",
  };
}

describe("the looks of the API", () => {
  it("each answer what their schemas say, and change nothing", async () => {
    const made = await aWorld();
    const { world } = made;
    const state = () => JSON.stringify([world.table.rows(), world.message(1), world.message(2), world.cluster.names()]);
    const before = state();
    const looks = ROUTES.filter(({ method }) => method === "GET");
    expect(Object.keys(addresses(made))).toEqual(looks.map(({ name }) => name));
    for (const [name, address] of Object.entries(addresses(made))) {
      const { status, said, headers } = await apiOf(world).get(address);
      expect([name, status]).toEqual([name, 200]);
      expect(headers).toMatchObject({ "content-type": "application/json", "cache-control": "no-store" });
      const { error } = looks.find((one) => one.name === name)?.answer.safeParse(said) ?? {};
      expect([name, error?.issues]).toEqual([name, undefined]);
    }
    expect(state()).toBe(before);
  });

  it("say which flags a command needs to be about this Dispatcher", async () => {
    const session = async (target: readonly string[]) => (await apiOf(makeWorld(), { target }).get("/session")).said;
    expect(await session(["--context=my prod", "--namespace=acme"])).toMatchObject({
      target: " '--context=my prod' --namespace=acme",
    });
    expect(await session([])).toMatchObject({ target: "" });
  });

  it("list runs page by page", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 3; sent += 1) await world.send();
    const first = await apiOf(world).get("/runs?limit=2");
    expect(first.said).toMatchObject({ runs: [{ sequenceNumber: 1 }, { sequenceNumber: 2 }] });
    const next = textAt(first.said, "next");
    const second = await apiOf(world).get(`/runs?limit=2&from=${next}`);
    expect(second.said).toMatchObject({ runs: [{ sequenceNumber: 3 }] });
    expect(second.said).not.toHaveProperty("next");
  });

  it("list dead letters page by page", async () => {
    const world = makeWorld();
    for (const messageId of ["a", "b"]) {
      await world.send({ messageId });
      world.cluster.fail(world.jobName(), 64);
      await ticks(world, () => world.open().length === 0);
    }
    const first = await apiOf(world).get("/dead-letters?limit=1");
    expect(first.said).toMatchObject({ letters: [{ messageId: "b" }] });
    const next = textAt(first.said, "next");
    const second = await apiOf(world).get(`/dead-letters?limit=1&after=${encodeURIComponent(next)}`);
    expect(second.said).toMatchObject({ letters: [{ messageId: "a" }] });
    expect(second.said).not.toHaveProperty("next");
  });

  it("list what failed by exit code and by time, as a command takes it", async () => {
    const { world } = await aWorld();
    world.clock.advance(3_600_000);
    const listed = async (address: string) => {
      const { runs, letters } = z
        .object({ runs: z.array(z.unknown()).default([]), letters: z.array(z.unknown()).default([]) })
        .parse((await apiOf(world).get(address)).said);
      return runs.length + letters.length;
    };
    for (const list of ["/runs?which=closed&", "/dead-letters?"]) {
      expect(await listed(`${list}exitCode=64`)).toBe(1);
      expect(await listed(`${list}exitCode=1`)).toBe(0);
      expect(await listed(`${list}since=2h`)).toBe(1);
      expect(await listed(`${list}since=30m`)).toBe(0);
      expect(await listed(`${list}since=2h&until=30m`)).toBe(1);
      expect(await listed(`${list}until=${world.clock.now() - 7_200_000}`)).toBe(0);
      expect(await listed(`${list}since=${new Date(world.clock.now() - 7_200_000).toISOString()}`)).toBe(1);
    }
    expect(await listed("/runs?exitCode=64")).toBe(1);
    expect((await apiOf(world).get("/dead-letters?exitCode=1")).said).toEqual({ letters: [], scanned: 1 });
  });

  it("list the runs of messages that no module took, by -", async () => {
    const world = makeWorld([aModule({ when: { subject: "image.uploaded" } })]);
    await world.send({ messageId: "m-none", subject: "other" });
    await world.send({ messageId: "m-some", subject: "image.uploaded" });
    const { said } = await apiOf(world).get("/runs?which=closed&module=-");
    expect(said).toMatchObject({ runs: [{ messageId: "m-none", module: "" }] });
  });

  it("show no body, except to an operator who asks for it", async () => {
    const { world, open } = await aWorld();
    const address = `/runs/${encodeURIComponent(open)}`;
    expect(JSON.stringify(await apiOf(world).get(address))).not.toContain("secret");
    const content = await apiOf(world).get(`${address}/content`);
    expect(content.said).toMatchObject({ found: { body: '{"secret":"body"}', encoding: "utf8", isCut: false } });
    const viewer = await apiOf(world, { role: "viewer" }).get(`${address}/content`);
    expect(viewer).toMatchObject({ status: 403, said: { type: "urn:dispatcher:problem:not-allowed" } });
  });

  it("show the body of a dead letter to an operator who asks for it, and its beginning if it is large", async () => {
    const world = makeWorld();
    const body = `{"secret":"${"x".repeat(256 * 1024)}"}`;
    await world.send({ body: Buffer.from(body), properties: { "x-tenant": "t-1" } });
    world.cluster.fail(world.jobName(), 64);
    await ticks(world, () => world.open().length === 0);
    const [closed] = world.closed();
    if (!closed) throw new Error("no run was closed");
    const address = `/dead-letters/${encodeURIComponent(runId(closed))}`;
    expect(JSON.stringify((await apiOf(world).get(address)).said)).not.toContain("secret");
    const content = await apiOf(world, { role: "operator" }).get(`${address}/content`);
    expect(content).toMatchObject({
      status: 200,
      headers: { "cache-control": "no-store" },
      said: {
        found: {
          body: body.slice(0, 256 * 1024),
          encoding: "utf8",
          isCut: true,
          bodyBytes: body.length,
          properties: { "x-tenant": "t-1", "dispatcher-exit-code": 64 },
        },
      },
    });
    const viewer = await apiOf(world, { role: "viewer" }).get(`${address}/content`);
    expect(viewer).toMatchObject({ status: 403, said: { type: "urn:dispatcher:problem:not-allowed" } });
  });

  it("say of a dead letter that is gone from the bus that it is not there, and of a run at work that it has none", async () => {
    const { world, open, letter } = await aWorld();
    const contentOf = (id: string) => apiOf(world).get(`/dead-letters/${encodeURIComponent(id)}/content`);
    expect((await contentOf(letter)).said).toMatchObject({ found: { properties: {} } });
    world.broker.recreate(SOURCE);
    expect((await contentOf(letter)).said).toEqual({ found: null });
    expect(await contentOf(open)).toMatchObject({ status: 404 });
  });

  it("show the Job with the message in it, and the cluster's events, to an operator alone", async () => {
    const { world, open } = await aWorld();
    const address = `/runs/${encodeURIComponent(open)}/job`;
    const { said } = await apiOf(world).get(address);
    expect(said).toMatchObject({ attempt: 1, name: world.jobName(), events: { found: [] } });
    expect(JSON.stringify(said)).toContain(String.raw`kind: Job\n`);
    expect(JSON.stringify(said)).toContain("secret");
    const viewer = await apiOf(world, { role: "viewer" }).get(address);
    expect(viewer).toMatchObject({ status: 403, said: { type: "urn:dispatcher:problem:not-allowed" } });
    world.cluster.deleteJob(world.jobName());
    expect((await apiOf(world).get(address)).said).toMatchObject({ job: { found: null } });
  });

  it("find a run by its message's id, and say which there are if it is that of several", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 2; sent += 1) {
      world.clock.advance(1_000);
      await world.send({ messageId: "twin" });
    }
    const { status, said } = await apiOf(world).get("/runs/twin");
    expect([status, said]).toMatchObject([409, { runs: world.open().map(runId).toReversed() }]);
    expect(await apiOf(world).get("/search?id=nobody")).toMatchObject({ status: 200, said: { runs: [] } });
    expect(await apiOf(world).get("/runs/nobody")).toMatchObject({ status: 404 });
  });

  it("say of each run that was found what a list shows, and only its id if its row can't be read", async () => {
    const { world, open } = await aWorld();
    const found = async (id: string) => (await apiOf(world).get(`/search?id=${encodeURIComponent(id)}`)).said;
    const key = { id: open, source: SOURCE, sequenceNumber: 2, enqueuedAt: world.run().enqueuedAt };
    expect(await found("m-open")).toEqual({
      by: "message id",
      runs: [{ ...key, status: "dispatched", module: "thumbnail", messageId: "m-open" }],
    });
    expect(await found("m-bad")).toMatchObject({ runs: [{ status: "failed", module: "thumbnail" }] });
    world.table.find = () => Promise.resolve({ kind: "newer" });
    expect(await found("m-open")).toEqual({ by: "message id", runs: [key] });
  });

  it("find a run and the redrive of its dead letter apart", async () => {
    const { world, letter } = await aWorld();
    const [closed] = world.closed();
    if (!closed) throw new Error("no run was closed");
    await world.table.insert(aRun({ ...keyOf(closed), redrive: 1, messageId: "m-bad" }));
    const { said } = await apiOf(world).get("/search?id=m-bad");
    expect(said).toMatchObject({
      runs: [
        { id: letter, status: "failed" },
        { id: `${letter}:r1`, status: "dispatched" },
      ],
    });
  });

  it("show of the audit's messages nothing that the sender wrote but their ids", async () => {
    const world = makeWorld();
    const { lockToken } = world.broker.deliver(SOURCE, { messageId: "lost", body: Buffer.from("secret") });
    await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "owner-2" });
    world.clock.advance(3_600_000);
    const { said } = await apiOf(world).get("/audit");
    expect(said).toMatchObject({ findings: [{ kind: "orphan message", messageId: "lost" }], unfinished: [] });
    expect(JSON.stringify(said)).not.toMatch(/body|properties/);
  });
});

describe("an answer", () => {
  it("is not sent again as long as it says the same", async () => {
    const { world } = await aWorld();
    const api = apiOf(world);
    const { headers } = await api.get("/status");
    // Only the time of the look has changed.
    world.clock.advance(1_000);
    const known = { "if-none-match": `W/"other", ${headers["etag"] ?? ""}` };
    expect(await api.get("/status", known)).toMatchObject({ status: 304, said: undefined });
    await world.tick();
    expect(await api.get("/status", known)).toMatchObject({ status: 200 });
  });

  it("is a problem if something that has to be asked is away", async () => {
    const world = makeWorld();
    const lastTick = () => Promise.reject(new UnavailableError("the table does not answer"));
    const deps = { ...world.deps, instanceTable: { ...world.deps.instanceTable, lastTick } };
    expect(await apiOf({ ...world, deps }).get("/status")).toMatchObject({
      status: 503,
      headers: { "content-type": "application/problem+json" },
      said: { status: 503, detail: "the table does not answer" },
    });
  });

  it.each([Error, RangeError])(
    "to a mistake of ours says nothing of it, and the log has its stack: %o",
    async (Oops) => {
      const world = makeWorld();
      const lastTick = () => Promise.reject(new Oops("oops"));
      const deps = { ...world.deps, instanceTable: { ...world.deps.instanceTable, lastTick } };
      const { status, said } = await apiOf({ ...world, deps }).get("/status");
      expect([status, JSON.stringify(said).includes("oops")]).toEqual([500, false]);
      expect(world.lines.at(-1)).toMatchObject({
        level: "error",
        path: "/status",
        error: expect.stringContaining("oops"),
      });
    },
  );
});

describe("a wrong request", () => {
  it.each([
    { address: "/nothing", status: 404, says: "no such address" },
    { address: "/runs/%E0%A4%A", status: 404, says: "no such address" },
    { address: "/runs?modul=x", status: 400, says: "modul" },
    { address: "/runs?limit=0", status: 400, says: "limit" },
    { address: "/runs?limit=ten", status: 400, says: "limit" },
    { address: "/runs?status=broken", status: 400, says: "status" },
    { address: "/runs?since=tomorrow", status: 400, says: "Give a duration such as 2h" },
    { address: "/runs?until=9000000000000000", status: 400, says: "until" },
    { address: "/runs?since=1d&until=2d", status: 400, says: "nothing can be between since and until" },
    { address: "/runs?exitCode=x", status: 400, says: "Give a whole number from 0 to 255" },
    { address: "/runs?exitCode=256", status: 400, says: "exitCode" },
    { address: "/dead-letters?since=2026-01-32", status: 400, says: "since" },
    { address: "/runs?source=nobody", status: 400, says: "no source is named nobody" },
    { address: "/runs?from=nowhere", status: 400, says: "no page has named this place" },
    { address: "/runs?which=closed&since=0", status: 400, says: "400 days" },
    { address: "/dead-letters?reason=Because", status: 400, says: "reason" },
    { address: "/dead-letters?after=x", status: 404, says: "no dead letter" },
    { address: "/search", status: 400, says: "id" },
    { address: "/search?id=x&after=rubbish", status: 400, says: "no page has named this place" },
  ])("gets a problem that says what is wrong: $address", async ({ address, status, says }) => {
    const answered = await apiOf(makeWorld()).get(address);
    expect(answered.headers["content-type"]).toBe("application/problem+json");
    expect(answered).toMatchObject({ status, said: { status, detail: expect.stringContaining(says) } });
  });

  it("names each field that is wrong", async () => {
    const { said } = await apiOf(makeWorld()).get("/runs?limit=0&status=x");
    expect(said).toMatchObject({
      errors: [
        { in: "query", at: "status" },
        { in: "query", at: "limit" },
      ],
    });
  });

  it("by another method gets those that there are", async () => {
    const answered = await apiOf(makeWorld()).ask("DELETE", "/status", {}, "");
    expect(answered).toMatchObject({ status: 405, headers: { allow: "GET" } });
  });
});

describe("the addresses", () => {
  it("have one route each for a method", () => {
    const keys = ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(ROUTES.map(({ name }) => name)).size).toBe(ROUTES.length);
  });

  it("may have any id in their parameters, if it is encoded", () => {
    const id = "a/b:1:2?#%";
    expect(routesAt(`/runs/${encodeURIComponent(id)}`)).toMatchObject([{ path: { run: id } }]);
    expect(routesAt("/runs//logs")).toEqual([]);
  });
});
