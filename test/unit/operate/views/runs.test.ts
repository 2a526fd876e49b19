import { describe, expect, it } from "vitest";
import { actionOf } from "../../../../shared/operate/by.ts";
import { listRuns, type RunsWanted } from "../../../../shared/operate/views/runs.ts";
import { runId } from "../../../../shared/run/run.ts";
import { aModule } from "../../../support/a-module.ts";
import { aRun, closing, T0 } from "../../../support/a-run.ts";
import { makeWorld, RETRY, SOURCE, type World, withRun } from "../../../support/world.ts";

/** All pages of a list, as sequence numbers. */
async function pages(world: World, wanted: RunsWanted, limit: number): Promise<number[][]> {
  const found: number[][] = [];
  for (let from: string | undefined, more = true; more; ) {
    const page = await listRuns(world.deps, wanted, { limit, from });
    found.push(page.runs.map(({ sequenceNumber }) => sequenceNumber));
    from = page.next;
    more = from !== undefined;
  }
  return found;
}

/** Two runs at work, three in line and one that waits for its time, of two modules. */
async function busyWorld(): Promise<World> {
  const [resize, thumbnail] = ["resize", "thumbnail"].map((name) =>
    aModule({ name, retry: RETRY, when: { subject: name } }),
  );
  if (!resize || !thumbnail) throw new Error("no modules");
  const world = makeWorld([resize, thumbnail]);
  await world.table.registerSource(SOURCE);
  const rows = [
    { status: "dispatched", module: "resize" },
    { status: "settling", module: "thumbnail", verdict: { outcome: "succeeded" } },
    { status: "waiting", module: "thumbnail" },
    { status: "waiting", module: "thumbnail" },
    { status: "waiting", module: "resize" },
  ] as const;
  for (const [n, over] of rows.entries())
    await world.table.insert(aRun({ ...over, sequenceNumber: n + 1, enqueuedAt: T0 + n }));
  const later = await world.table.insert(aRun({ sequenceNumber: 6, enqueuedAt: T0 + 5 }));
  await world.table.update(later, { ...later.run, status: "waiting", notBefore: T0 + 60_000 });
  return world;
}

describe("the list of open runs", () => {
  it("has every run once, whatever the pages' size", async () => {
    const world = await busyWorld();
    // The line of `resize` comes before that of `thumbnail`.
    const all = [1, 2, 5, 3, 4, 6];
    for (const limit of [1, 2, 3, 4, 5, 6, 7, 100])
      expect((await pages(world, {}, limit)).flat(), `limit ${limit}`).toEqual(all);
    expect(await pages(world, {}, 4)).toEqual([
      [1, 2, 5, 3],
      [4, 6],
    ]);
  });

  it.each<{ wanted: RunsWanted; runs: number[] }>([
    { wanted: { module: "thumbnail" }, runs: [2, 3, 4, 6] },
    { wanted: { module: "resize" }, runs: [1, 5] },
    { wanted: { status: "waiting" }, runs: [5, 3, 4, 6] },
    { wanted: { status: "settling" }, runs: [2] },
    { wanted: { status: "held" }, runs: [] },
    { wanted: { since: T0 + 4 }, runs: [5, 6] },
    { wanted: { since: T0 + 1, until: T0 + 4 }, runs: [2, 3, 4] },
    { wanted: { module: "thumbnail", status: "waiting", since: T0 + 3 }, runs: [4, 6] },
    { wanted: { source: "Thumbnails" }, runs: [1, 2, 5, 3, 4, 6] },
  ])("keeps to $wanted", async ({ wanted, runs }) => {
    const world = await busyWorld();
    expect((await pages(world, wanted, 2)).flat()).toEqual(runs);
    expect((await pages(world, wanted, 100)).flat()).toEqual(runs);
  });

  it("says what each run waits for, as far as the rows say it", async () => {
    const world = await busyWorld();
    const waits = async (deps = world.deps) =>
      (await listRuns(deps, {}, { limit: 100 })).runs.map(({ sequenceNumber, waitsFor }) => [sequenceNumber, waitsFor]);
    expect(await waits()).toEqual([
      [1, undefined],
      [2, undefined],
      [5, "max-active"],
      [3, "max-active"],
      [4, "max-active"],
      [6, "put-off"],
    ]);
    const limit = { module: "thumbnail", slots: 0, who: "ada", since: T0 };
    await world.table.saveLimit(limit, undefined, actionOf({ who: "ada" }, "pause", "thumbnail", T0));
    expect((await waits())[3]).toEqual([3, "paused"]);
    const { deps } = world.makeReplica({ modules: new Map() });
    expect((await waits(deps))[2]).toEqual([5, "module-removed"]);
  });

  it("names each run, and leaves out what happened to it", async () => {
    const world = await withRun();
    const [run] = (await listRuns(world.deps, {}, { limit: 1 })).runs;
    expect(run).toMatchObject({ id: runId(world.run()), place: "work" });
    expect(run).not.toHaveProperty("timeline");
  });

  it("says how far it came if it finds little of what it reads", async () => {
    const world = makeWorld();
    await world.table.registerSource(SOURCE);
    for (let n = 1; n <= 6_000; n += 1)
      await world.table.insert(aRun({ sequenceNumber: n, module: n === 6_000 ? "rare" : "thumbnail" }));
    const first = await listRuns(world.deps, { module: "rare" }, { limit: 10 });
    expect(first).toMatchObject({ runs: [], scanned: 5_000 });
    const second = await listRuns(world.deps, { module: "rare" }, { limit: 10, from: first.next });
    expect(second).toMatchObject({ runs: [{ sequenceNumber: 6_000 }], scanned: 1_000, next: undefined });
  });

  it("refuses a source that is not known, and a page that was never named", async () => {
    const world = await busyWorld();
    await expect(listRuns(world.deps, { source: "nails" }, { limit: 1 })).rejects.toThrow(
      "no source is named nails: the known ones are thumbnails",
    );
    for (const from of ["rubbish", "", Buffer.from('["work q|other",null]').toString("base64url")])
      await expect(listRuns(world.deps, {}, { limit: 1, from })).rejects.toBeInstanceOf(RangeError);
  });
});

describe("the list of closed runs", () => {
  const DAY_MS = 86_400_000;

  /** Runs of three days that were closed, by turns as succeeded and as failed; and one that is open. */
  async function oldWorld(): Promise<World> {
    const world = makeWorld();
    await world.table.registerSource(SOURCE);
    for (let n = 1; n <= 7; n += 1) {
      const stored = await world.table.insert(aRun({ sequenceNumber: n, enqueuedAt: T0 + n * (DAY_MS / 2) }));
      const status = n % 2 === 0 ? "succeeded" : "failed";
      const verdict = { outcome: status, ...(status === "failed" ? { exitCode: n } : {}) } as const;
      if (n < 7) await world.table.close(stored, closing(stored.run, { status, verdict }));
    }
    world.clock.advance(3.25 * DAY_MS);
    return world;
  }

  it.each<{ wanted: RunsWanted; runs: number[] }>([
    { wanted: { which: "closed", since: T0 }, runs: [6, 5, 4, 3, 2, 1] },
    { wanted: { which: "closed", since: T0 + 3 * (DAY_MS / 2) }, runs: [6, 5, 4, 3] },
    { wanted: { which: "closed", since: T0, until: T0 + 3 * (DAY_MS / 2) }, runs: [2, 1] },
    { wanted: { which: "closed", since: T0 + DAY_MS, until: T0 + DAY_MS + 1 }, runs: [2] },
    { wanted: { which: "closed", until: T0 + 3 * (DAY_MS / 2) + 1 }, runs: [3, 2] },
    { wanted: { status: "failed", since: T0 }, runs: [5, 3, 1] },
    { wanted: { exitCode: 3, since: T0 }, runs: [3] },
    { wanted: { exitCode: 2, since: T0 }, runs: [] },
    { wanted: { which: "open", exitCode: 3, since: T0 }, runs: [] },
    { wanted: { which: "closed", module: "resize", since: T0 }, runs: [] },
    { wanted: { which: "closed", status: "waiting", since: T0 }, runs: [] },
  ])("keeps to $wanted", async ({ wanted, runs }) => {
    const world = await oldWorld();
    for (const limit of [1, 2, 100]) expect((await pages(world, wanted, limit)).flat()).toEqual(runs);
  });

  it("is of the last 24 hours by default", async () => {
    expect((await pages(await oldWorld(), { which: "closed" }, 10)).flat()).toEqual([6, 5]);
  });

  it("is of so many days at most", async () => {
    const world = await oldWorld();
    await expect(listRuns(world.deps, { which: "closed", since: 0 }, { limit: 1 })).rejects.toThrow("400 days at most");
  });
});
