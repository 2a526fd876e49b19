import { describe, expect, it } from "vitest";
import { ROUTES } from "../../../shared/api/routes.ts";
import { makeCarryOutRedrives } from "../../../shared/redrive/carry-out.ts";
import { runId } from "../../../shared/run/run.ts";
import { makeEvents } from "../../../shared/telemetry/events.ts";
import { apiOf, FROM_THE_PAGE, textAt } from "../../support/api-of.ts";
import { parsedBy, wordsOf } from "../../support/parsed-command.ts";
import { makeWorld, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

const WHY = "the disk's full; `date`";

/** Each action by its name, as a request that can be done in the world. */
const REQUESTS: Record<string, (world: World) => readonly [address: string, body: object]> = {
  cancelRuns: (world) => ["/runs/cancel", { runs: [runId(world.run())] }],
  forceRuns: (world) => ["/runs/force", { runs: [runId(world.run())], as: "retried" }],
  adoptRuns: (world) => ["/runs/adopt", { runs: [runId(world.run())] }],
  pauseModule: () => ["/modules/thumbnail/pause", { forMs: 3_600_000 }],
  limitModule: () => ["/modules/thumbnail/limit", { slots: 3 }],
  resumeModule: () => ["/modules/thumbnail/resume", {}],
  openGates: () => ["/gates/open", { gates: ["module:thumbnail"] }],
  acceptCluster: () => ["/cluster/accept", {}],
  acceptLoss: () => ["/sources/accept-loss", { source: "thumbnails" }],
  redriveDeadLetters: () => ["/dead-letters/redrive", { module: "thumbnail", most: 1, perSecond: 7 }],
  abortRedrive: () => ["/redrives/abort", { source: "thumbnails" }],
  purgeDeadLetters: () => ["/dead-letters/purge", { module: "thumbnail", count: 1 }],
  repairByAudit: () => ["/audit/repair", {}],
};

/** A world with a dead letter, and a run at work. */
async function aWorld(): Promise<World> {
  return withRun(await withLetter());
}

async function withLetter(): Promise<World> {
  const world = makeWorld();
  await world.send();
  world.cluster.fail(world.jobName(), 64);
  await ticks(world, () => world.open().length === 0);
  return world;
}

const names = Object.keys(REQUESTS);

describe("the actions of the API", () => {
  it("are those that have a request here", () => {
    expect(ROUTES.filter(({ method }) => method === "POST").map(({ name }) => name)).toEqual(names);
  });

  it.each(names)("answer what their schemas say, and note who did it and why: %s", async (name) => {
    const world = await aWorld();
    const api = apiOf(world);
    const [address, body] = REQUESTS[name]?.(world) ?? ["", {}];
    const { status, said } = await api.post(address, { ...body, why: WHY });
    expect([status, said]).toEqual([200, expect.anything()]);
    expect(ROUTES.find((one) => one.name === name)?.answer.safeParse(said).error?.issues).toBeUndefined();
    const { actions } = await world.deps.instanceTable.actions(undefined, 9).then((found) => ({ actions: found }));
    for (const { action } of actions) expect(action).toMatchObject({ who: "ada@laptop", why: WHY });
  });

  it.each(names)("change nothing in a dry run, also where nothing may be changed: %s", async (name) => {
    const world = await aWorld();
    const state = () => JSON.stringify([world.table.rows(), world.message(1), world.cluster.names()]);
    const before = state();
    const [address, body] = REQUESTS[name]?.(world) ?? ["", {}];
    const { status } = await apiOf(world, { mayChange: false }).post(address, { ...body, dryRun: true });
    expect([status, state()]).toEqual([200, before]);
  });

  it.each(names)("are refused where nothing may be changed, and to viewers: %s", async (name) => {
    const world = await aWorld();
    const [address, body] = REQUESTS[name]?.(world) ?? ["", {}];
    const closed = await apiOf(world, { mayChange: false }).post(address, body);
    expect(closed).toMatchObject({ status: 403, said: { type: "urn:dispatcher:problem:read-only" } });
    const viewer = await apiOf(world, { role: "viewer" }).post(address, { ...body, dryRun: true });
    expect(viewer).toMatchObject({ status: 403, said: { type: "urn:dispatcher:problem:not-allowed" } });
  });

  it.each(names)("name a command that does the same: %s", async (name) => {
    const world = await aWorld();
    const [address, body] = REQUESTS[name]?.(world) ?? ["", {}];
    const { said } = await apiOf(world).post(address, { ...body, why: WHY, dryRun: true });
    const words = wordsOf(textAt(said, "command"));
    expect(words.slice(-2)).toEqual([`--why=${WHY}`, "--dry-run"]);
    expect(parsedBy(words)).toBe("");
  });

  it.each(names)("name a command about the Dispatcher that the person named: %s", async (name) => {
    const world = await aWorld();
    const [address, body] = REQUESTS[name]?.(world) ?? ["", {}];
    const api = apiOf(world, { target: ["--context=my prod"] });
    const { said } = await api.post(address, { ...body, why: WHY, dryRun: true });
    const words = wordsOf(textAt(said, "command"));
    expect(words.slice(-3)).toEqual(["--context=my prod", `--why=${WHY}`, "--dry-run"]);
    expect(parsedBy(words)).toBe("");
  });
});

describe("an action", () => {
  it("pauses a module for a time, and says what it did", async () => {
    const world = makeWorld();
    const { said } = await apiOf(world).post("/modules/thumbnail/pause", { forMs: 3_600_000 });
    expect(said).toMatchObject({
      command: "dispatcher modules pause thumbnail --for=1h",
      answers: [{ name: "thumbnail", kind: "done", did: "limited", slots: 0 }],
    });
    expect(await world.deps.instanceTable.limits()).toMatchObject([
      { limit: { module: "thumbnail", slots: 0, until: world.clock.now() + 3_600_000 } },
    ]);
  });

  it("asks who acts, and for what", async () => {
    const api = apiOf(makeWorld());
    await api.post("/modules/thumbnail/limit", { slots: 3, dryRun: true });
    expect(api.asked).toEqual(["dispatcher modules limit thumbnail 3 --dry-run"]);
  });

  it("redrives dead letters, and says first how many can be", async () => {
    const world = await aWorld();
    const redrive = (body: object) => apiOf(world).post("/dead-letters/redrive", { module: "thumbnail", ...body });
    const tried = await redrive({ dryRun: true });
    expect(tried.said).toMatchObject({ plans: [{ source: SOURCE, letters: 1 }], answers: [] });
    expect(await world.deps.instanceTable.redrives()).toEqual([]);
    const done = await redrive({ why: WHY });
    expect(done.said).toMatchObject({ answers: [{ name: "thumbnails", kind: "done", did: "ordered a redrive" }] });
    const { said } = await apiOf(world).get("/redrives");
    expect(said).toMatchObject({ redrives: [{ source: SOURCE, who: "ada@laptop", why: WHY, redriven: 0 }] });
    const again = await redrive({});
    expect(again.said).toMatchObject({ answers: [{ kind: "refused", because: "redrive at work" }] });
  });

  it("redrives a dead letter that was redriven before, by the id of its last run", async () => {
    const world = await withLetter();
    const { post } = apiOf(world);
    world.clock.advance(1_000);
    await post("/dead-letters/redrive", { module: "thumbnail" });
    await makeCarryOutRedrives(world.deps)(makeEvents(world.log), new AbortController().signal);
    await world.tick();
    world.cluster.fail(world.jobName(), 64);
    await ticks(world, () => world.open().length === 0);
    const [letter] = await world.table.deadLetters(SOURCE, {}, 9);
    if (!letter) throw new Error("no dead letter");
    expect(letter.redrive).toBe(1);
    const { said } = await post("/dead-letters/redrive", { runs: [runId(letter)], dryRun: true });
    expect(said).toMatchObject({ plans: [{ letters: 1 }], missing: [] });
  });

  it("names the runs whose letters are not there, or not of those that are chosen", async () => {
    const world = await withLetter();
    const [there] = world.closed().map((run) => runId(run));
    const redrive = (body: object) => apiOf(world).post("/dead-letters/redrive", body);
    const tried = await redrive({ runs: [there, "thumbnails:99:1"], dryRun: true });
    expect(tried.said).toMatchObject({ plans: [{ letters: 1 }], missing: ["thumbnails:99:1"] });
    const done = await redrive({ runs: [there, "thumbnails:99:1"], exitCode: 4 });
    expect(done.said).toMatchObject({ plans: [], answers: [], missing: [there, "thumbnails:99:1"] });
  });

  it("redrives what ended with an exit code, and in a span of time, as the command that it names does", async () => {
    const world = await aWorld();
    const redrive = (body: object) => apiOf(world).post("/dead-letters/redrive", { dryRun: true, ...body });
    expect((await redrive({ exitCode: 64, since: "2h", until: "4102444800000" })).said).toMatchObject({
      command: "dispatcher dead redrive --exit-code=64 --since=2h --until=2100-01-01T00:00:00.000Z --dry-run",
      plans: [{ letters: 1 }],
    });
    expect((await redrive({ exitCode: 4 })).said).toMatchObject({ plans: [] });
    expect((await redrive({ since: "1h", until: "2h" })).said).toMatchObject({
      detail: "Mend the request: nothing can be between since and until, because until is not later.",
    });
  });

  it("purges only as many dead letters as the person has seen", async () => {
    const world = await aWorld();
    const wrong = await apiOf(world).post("/dead-letters/purge", { module: "thumbnail", count: 2 });
    expect(wrong).toMatchObject({
      status: 409,
      said: { detail: expect.stringContaining("1 dead letters are chosen") },
    });
    const right = await apiOf(world).post("/dead-letters/purge", { module: "thumbnail", count: 1 });
    expect(right.said).toMatchObject({ plan: { chosen: 1 }, done: { removed: 1, left: 0 } });
  });

  it("purges dead letters request by request, the oldest first, but none that failed after the dry run", async () => {
    const world = makeWorld();
    const fail = async () => {
      await world.send();
      world.cluster.fail(world.jobName(), 64);
      await ticks(world, () => world.open().length === 0);
      world.clock.advance(1_000);
    };
    for (let sent = 0; sent < 3; sent += 1) await fail();
    const purge = (body: object) => apiOf(world).post("/dead-letters/purge", { reason: "JobFailed", ...body });
    const { said: tried } = await purge({ dryRun: true });
    expect(tried).toMatchObject({ plan: { chosen: 3, onBus: 3 } });
    await fail();
    const before = Number(textAt(tried, "before"));
    const first = await purge({ before, most: 2, count: 3 });
    expect(first.said).toMatchObject({ plan: { chosen: 3 }, done: { removed: 2, left: 0 } });
    const left = async () => (await apiOf(world).get("/dead-letters")).said;
    expect(await left()).toMatchObject({ letters: [{ sequenceNumber: 4 }, { sequenceNumber: 3 }] });
    const second = await purge({ before, most: 2, count: 1 });
    expect(second.said).toMatchObject({ plan: { chosen: 1 }, done: { removed: 1 } });
    expect(await left()).toMatchObject({ letters: [{ sequenceNumber: 4 }] });
  });

  it("purges the dead letters of the runs that are named, or none if one of them has none", async () => {
    const world = await aWorld();
    const [closed] = world.closed();
    const letter = closed ? runId(closed) : "";
    const purge = (runs: readonly string[]) => apiOf(world).post("/dead-letters/purge", { runs, count: runs.length });
    expect(await purge([letter, runId(world.run())])).toMatchObject({ status: 404 });
    expect(await purge([letter])).toMatchObject({ status: 200, said: { done: { removed: 1 } } });
  });

  it("mends what an audit finds and needs no judgement", async () => {
    const world = await aWorld();
    const queue = { deadLettersOf: SOURCE };
    for (const { lockToken } of await world.broker.receiveLetters(queue, 1))
      await world.broker.completeLocked(queue, lockToken);
    world.clock.advance(3_600_000);
    const repair = (body: object) => apiOf(world).post("/audit/repair", body);
    expect((await repair({ dryRun: true })).said).toMatchObject({ answers: [{ kind: "would", did: "mended" }] });
    expect((await repair({ why: WHY })).said).toMatchObject({ answers: [{ kind: "done", did: "mended" }] });
    expect((await repair({})).said).toMatchObject({ command: "dispatcher audit --repair", answers: [] });
  });

  it.each(["/audit/repair", "/runs/adopt"])(
    "that gives messages rows waits for right module files: %s",
    async (address) => {
      const world = makeWorld();
      const api = apiOf(world, { fileMistakes: ["wrong.yaml:1:1: no name"] });
      const { status, said } = await api.post(address, address === "/runs/adopt" ? { runs: ["x"] } : {});
      expect([status, said]).toMatchObject([409, { detail: expect.stringContaining("wrong.yaml:1:1: no name") }]);
    },
  );

  it.each([
    { what: "no JSON", headers: { ...FROM_THE_PAGE, "content-type": "text/plain" }, status: 415 },
    { what: "no header of its own", headers: { ...FROM_THE_PAGE, "x-dispatcher": undefined }, status: 403 },
    { what: "another site", headers: { ...FROM_THE_PAGE, "sec-fetch-site": "cross-site" }, status: 403 },
    { what: "a neighbour", headers: { ...FROM_THE_PAGE, "sec-fetch-site": "same-site" }, status: 403 },
  ])("is refused from $what", async ({ headers, status }) => {
    const world = makeWorld();
    const given = Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
    );
    expect(await apiOf(world).post("/modules/thumbnail/pause", {}, given)).toMatchObject({ status });
    expect(await world.deps.instanceTable.limits()).toEqual([]);
  });

  it("of a program that says not where it comes from takes the token", async () => {
    const { "sec-fetch-site": _, ...headers } = FROM_THE_PAGE;
    const pause = (hasToken: boolean) => apiOf(makeWorld(), { hasToken }).post("/modules/thumbnail/pause", {}, headers);
    expect([(await pause(false)).status, (await pause(true)).status]).toEqual([403, 200]);
  });

  it.each([
    { address: "/runs/cancel", body: {}, says: "runs" },
    { address: "/runs/cancel", body: { runs: [] }, says: "runs" },
    { address: "/runs/cancel", body: { runs: ["x"], dryrun: true }, says: "dryrun" },
    { address: "/runs/force", body: { runs: ["x"], as: "gone" }, says: "as" },
    { address: "/modules/thumbnail/limit", body: { slots: -1 }, says: "slots" },
    { address: "/modules/thumbnail/pause", body: { forMs: 1 }, says: "forMs" },
    { address: "/dead-letters/purge", body: {}, says: "choose what to purge" },
    { address: "/dead-letters/redrive", body: {}, says: "choose what to redrive" },
    { address: "/cluster/accept", body: [], says: "object" },
    { address: "/cluster/accept", body: null, says: "object" },
  ])("with a wrong body gets a problem: $address $body", async ({ address, body, says }) => {
    const { status, said } = await apiOf(makeWorld()).post(address, body);
    expect([status, said]).toMatchObject([400, { detail: expect.stringContaining(says) }]);
  });

  it("with a body that is no JSON gets a problem", async () => {
    const { status } = await apiOf(makeWorld()).ask("POST", "/cluster/accept", FROM_THE_PAGE, "{");
    expect(status).toBe(400);
  });
});
