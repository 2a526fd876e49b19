import { describe, expect, it } from "vitest";
import { makeProgram } from "../../../cli/program.ts";
import { ROUTES } from "../../../shared/api/routes.ts";
import { runId } from "../../../shared/run/run.ts";
import { apiOf, FROM_THE_PAGE, textAt } from "../../support/api-of.ts";
import { makeWorld, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

const WHY = "the disk's full; `date`";

/** Each action by its name, as a request that can be done in the world. */
const REQUESTS: Record<string, (world: World) => readonly [address: string, body: object]> = {
  cancelRuns: (world) => ["/runs/cancel", { runs: [runId(world.run())] }],
  forceRuns: (world) => ["/runs/force", { runs: [runId(world.run())], as: "retried" }],
  adoptRuns: (world) => ["/runs/adopt", { runs: [runId(world.run())] }],
  pauseModule: () => ["/modules/thumbnail/pause", { forMs: 3_600_000 }],
  limitModule: () => ["/modules/thumbnail/limit", { places: 3 }],
  resumeModule: () => ["/modules/thumbnail/resume", {}],
  openGates: () => ["/gates/open", { gates: ["module:thumbnail"] }],
  acceptCluster: () => ["/cluster/accept", {}],
  acceptLoss: () => ["/sources/accept-loss", { source: "thumbnails" }],
  redriveDeadLetters: () => ["/dead-letters/redrive", { module: "thumbnail", most: 1, perSecond: 7 }],
  abortRedrive: () => ["/redrives/abort", { source: "thumbnails" }],
  purgeDeadLetters: () => ["/dead-letters/purge", { module: "thumbnail", count: 1 }],
};

/** A world with a dead letter, and a run at work. */
async function aWorld(): Promise<World> {
  const world = makeWorld();
  await world.send();
  world.cluster.fail(world.jobName(), 64);
  await ticks(world, () => world.open().length === 0);
  return withRun(world);
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
});

describe("an action", () => {
  it("pauses a module for a time, and says what it did", async () => {
    const world = makeWorld();
    const { said } = await apiOf(world).post("/modules/thumbnail/pause", { forMs: 3_600_000 });
    expect(said).toMatchObject({
      command: "dispatcher modules pause thumbnail --for=1h",
      answers: [{ name: "thumbnail", kind: "done", did: "limited", places: 0 }],
    });
    expect(await world.deps.instanceTable.limits()).toMatchObject([
      { limit: { module: "thumbnail", places: 0, until: world.clock.now() + 3_600_000 } },
    ]);
  });

  it("asks who acts, and for what", async () => {
    const api = apiOf(makeWorld());
    await api.post("/modules/thumbnail/limit", { places: 3, dryRun: true });
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
    { address: "/modules/thumbnail/limit", body: { places: -1 }, says: "places" },
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

/** Takes a command apart as a shell does. */
function wordsOf(command: string): string[] {
  const [program, ...words] = [...command.matchAll(/((?:'[^']*'|\\'|[^\s'\\])+)/g)].map(([word]) =>
    word.replaceAll(
      /'([^']*)'|\\(')/g,
      (_, quoted: string | undefined, escaped: string | undefined) => quoted ?? escaped ?? "",
    ),
  );
  expect(program).toBe("dispatcher");
  return words;
}

/** Lets the command parse these words without doing them. Gives what is wrong with them. */
function parsedBy(words: readonly string[]): string {
  let said = "";
  const program = makeProgram("dispatcher");
  const all = [...program.commands, ...program.commands.flatMap(({ commands }) => commands)];
  for (const command of [program, ...all])
    command
      .exitOverride((error) => {
        throw error;
      })
      .configureOutput({ writeErr: (text) => (said += text) });
  for (const command of all) if (command.commands.length === 0) command.action(() => {});
  try {
    program.parse([...words], { from: "user" });
  } catch {
    return said === "" ? "it ended" : said;
  }
  return said;
}
