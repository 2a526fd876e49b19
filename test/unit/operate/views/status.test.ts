import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../shared/errors.ts";
import { actionOf } from "../../../../shared/operate/by.ts";
import { listModules } from "../../../../shared/operate/views/modules.ts";
import { status } from "../../../../shared/operate/views/status.ts";
import { aModule } from "../../../support/a-module.ts";
import { aRun, T0 } from "../../../support/a-run.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../../support/world.ts";

const none = { count: 0, isMore: false };

const MISTAKES = ["thumbnail.yaml:6:12: maxActive"];
/** What a command knows while the file of the only module is wrong. */
const WRONG_FILE = { modules: new Map(), wrongFiles: [{ module: "thumbnail", mistakes: MISTAKES }] };

async function moduleOf(world: World, name = "thumbnail") {
  const { modules } = await status(world.deps);
  const found = modules.find(({ module }) => module === name);
  if (!found) throw new Error(`no module ${name}`);
  return found;
}

describe("the status", () => {
  it("is empty before the first message, and says that nothing ticked yet", async () => {
    const world = makeWorld();
    expect(await status(world.deps)).toMatchObject({
      instance: "dispatcher",
      namespace: "jobs",
      at: T0,
      tick: undefined,
      ticker: undefined,
      modules: [{ module: "thumbnail", slots: 100, atWork: undefined, inLine: none, held: none, oldestAt: undefined }],
      problems: [{ kind: "no tick", lastAt: undefined }],
    });
  });

  it("lists modules by source, then by name, whether or not a source had a message yet", async () => {
    const topic = { topic: "images", subscription: "small" };
    const files = [aModule({ name: "c", source: topic }), aModule({ name: "b" }), aModule({ name: "a" })];
    const world = makeWorld(files);
    await world.table.registerSource(topic);
    expect((await status(world.deps)).modules.map(({ module }) => module)).toEqual(["a", "b", "c"]);
  });

  it("counts what is at work as the last tick read it, and says when that was", async () => {
    const world = await withRun();
    await world.send();
    await world.tick();
    world.clock.advance(7_000);
    const { tick, problems } = await status(world.deps);
    expect(tick).toEqual({ at: T0, ageMs: 7_000 });
    expect(problems).toEqual([]);
    expect(await moduleOf(world)).toMatchObject({
      atWork: { byStatus: { dispatched: 2 }, heldUpBy: {}, busy: 0 },
      oldestAt: T0,
    });
  });

  it("tells that nothing is at work any more within one light tick", async () => {
    const world = await withRun();
    await world.tick();
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.open()).toEqual([]);
    await world.lightTick();
    expect(await moduleOf(world)).toMatchObject({ atWork: { byStatus: {} }, ends: { succeeded: 1 } });
  });

  it("counts what was closed in the last hour, whichever process closed it and whether it has ended since", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.tick();
    await world.tick();
    // A process that has just begun closes the next one.
    const restarted = world.makeReplica();
    await world.send();
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await restarted.tick();
    await restarted.tick();
    expect((await moduleOf(world)).ends).toEqual({ since: T0, firstAt: T0, succeeded: 2 });
    expect((await status(world.makeReplica().deps)).modules[0]?.ends).toEqual({ since: T0, firstAt: T0, succeeded: 2 });
    world.clock.advance(3_600_000);
    expect((await moduleOf(world)).ends).not.toHaveProperty("succeeded");
  });

  it("counts what was done and what failed by slots of five minutes", async () => {
    const end = async (how: "succeed" | "fail") => {
      await world.send();
      world.cluster.run(world.jobName());
      if (how === "succeed") world.cluster.succeed(world.jobName());
      else world.cluster.fail(world.jobName(), 64);
      await ticks(world, () => world.open().length === 0);
    };
    const world = makeWorld();
    await end("succeed");
    world.clock.advance(30 * 60_000);
    await end("fail");
    await end("succeed");
    const { lately } = await moduleOf(world);
    const none = Array.from({ length: 12 }, () => 0);
    expect(lately).toEqual({
      since: Math.floor(world.clock.now() / 300_000) * 300_000 - 11 * 300_000,
      slotMs: 300_000,
      done: none.with(11, 1).with(5, 1),
      failed: none.with(11, 1),
    });
    world.clock.advance(3_600_000);
    expect((await moduleOf(world)).lately).toMatchObject({ done: none, failed: none });
  });

  it("says if the replica that ticks has another form of a module's file than is read here", async () => {
    const world = makeWorld([aModule({ fileDigest: "old" })]);
    const changed = { ...world.deps, modules: new Map([["thumbnail", aModule({ fileDigest: "new" })]]) };
    const formOf = async (deps = world.deps) => {
      const [module] = await listModules(deps);
      const of = (await status(deps)).modules[0]?.isOtherForm;
      expect(module?.isOtherForm ?? false).toBe(of);
      return of;
    };
    expect(await formOf(changed)).toBe(false);
    await world.tick();
    expect(await formOf()).toBe(false);
    expect(await formOf(changed)).toBe(true);
    // An older release does not say what it has read.
    const { at, counts } = (await world.table.lastTick()) ?? {};
    if (at === undefined || !counts) throw new Error("no tick");
    const { files: _, ...older } = counts;
    await world.table.recordTick(at, older);
    expect(await formOf(changed)).toBe(false);
  });

  it("counts what a delivery rejects at once, also of a message that no module takes", async () => {
    const world = makeWorld([aModule({ when: { subject: "known" } })]);
    await world.send({ subject: "unknown" });
    await world.tick();
    expect((await moduleOf(world, "")).ends).toMatchObject({ rejected: 1 });
  });

  it("counts a line exactly below a thousand, and says that there may be more from there on", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    await world.table.registerSource(SOURCE);
    const join = (sequenceNumber: number) => world.table.insert(aRun({ status: "waiting", sequenceNumber }));
    for (let n = 1; n <= 999; n += 1) await join(n);
    expect((await moduleOf(world)).inLine).toEqual({ count: 999, isMore: false });
    await join(1_000);
    expect((await moduleOf(world)).inLine).toEqual({ count: 1_000, isMore: true });
  });

  it("says why runs wait for their time, as far as their rows say it", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await ticks(world, () => world.run().status === "waiting", 0);
    expect((await moduleOf(world)).later).toEqual({ count: 1, isMore: false, causes: { "back-off": 1 } });
    const removed = world.makeReplica({ modules: new Map() });
    const { modules, problems } = await status(removed.deps);
    expect(modules).toMatchObject([
      { module: "thumbnail", slots: undefined, later: { causes: { "module-removed": 1 } } },
    ]);
    expect(problems).toMatchObject([{ kind: "module removed", module: "thumbnail" }]);
  });

  it("never calls a file gone that is wrong: the running Dispatcher has an earlier form of it", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await ticks(world, () => world.run().status === "waiting", 0);
    const own = { module: "thumbnail", mistakes: ["thumbnail.yaml:6:12: maxActive"] };
    const renamed = { module: "Thumbnail!", mistakes: ["thumbnail.yaml:1:7: name"] };
    for (const wrong of [own, renamed]) {
      const { deps } = world.makeReplica({ modules: new Map(), wrongFiles: [wrong] });
      const { modules, problems } = await status(deps);
      expect(modules).toMatchObject([
        { fileMistakes: wrong.mistakes, limit: undefined, later: { causes: { "module-unread": 1 } } },
      ]);
      expect(problems).toEqual([{ kind: "file wrong", module: "thumbnail", mistakes: wrong.mistakes }]);
    }
  });

  it("shows a tripped module, and what tripped it", async () => {
    const world = makeWorld([aModule({ retry: RETRY })]);
    for (let n = 0; n < 3; n += 1) {
      const { sequenceNumber } = await world.send();
      const job = world.open().find((run) => run.sequenceNumber === sequenceNumber)?.jobName ?? "";
      world.cluster.stick(job);
    }
    await ticks(world, () => world.lines.some(({ message }) => String(message).startsWith("tripped a module")), 20_000);
    const { problems } = await status(world.deps);
    expect(problems).toMatchObject([{ kind: "module tripped", module: "thumbnail" }]);
    const { trip } = await moduleOf(world);
    expect(trip?.why).toContain("ErrImagePull");
    expect(trip?.probeAt).toBeGreaterThan(trip?.since ?? 0);
  });

  it("shows by the rows that a module is tripped while its file is wrong, and says that it may be tripped no more", async () => {
    const world = makeWorld([aModule({ retry: RETRY })]);
    for (let n = 0; n < 3; n += 1) {
      const { sequenceNumber } = await world.send();
      world.cluster.stick(world.open().find((run) => run.sequenceNumber === sequenceNumber)?.jobName ?? "");
    }
    await ticks(world, () => world.lines.some(({ message }) => String(message).startsWith("tripped a module")), 20_000);
    const { trip } = await moduleOf(world);
    const { modules, problems } = await status(world.makeReplica(WRONG_FILE).deps);
    expect(modules).toMatchObject([{ module: "thumbnail", trip, fileMistakes: MISTAKES }]);
    expect(problems).toEqual([
      { kind: "module tripped", module: "thumbnail", since: trip?.since, why: trip?.why, isFileWrong: true },
      { kind: "file wrong", module: "thumbnail", mistakes: MISTAKES },
    ]);
    // Of a file that is gone the row says nothing.
    const gone = await status(world.makeReplica({ modules: new Map() }).deps);
    expect(gone.modules).toMatchObject([{ module: "thumbnail", trip: undefined, fileMistakes: [] }]);
  });

  it("shows the gate of a module while its file is wrong, as long as runs are held at it", async () => {
    const world = makeWorld([aModule({ schema: { type: "object", required: ["size"] } })]);
    for (let n = 0; n < 12; n += 1) await world.send();
    const { gate } = await moduleOf(world);
    expect(gate).toMatchObject({ name: "module:thumbnail" });
    const unread = world.makeReplica(WRONG_FILE);
    const { modules, problems } = await status(unread.deps);
    expect(modules).toMatchObject([{ module: "thumbnail", held: { count: 2 }, gate }]);
    expect(problems).toMatchObject([
      { kind: "no tick" },
      { kind: "gate shut", gate: "module:thumbnail" },
      { kind: "file wrong" },
    ]);
    // The Dispatcher has other files by now, and judges what was held.
    const mended = world.makeReplica({ modules: new Map([["thumbnail", aModule()]]) });
    await ticks({ ...world, tick: mended.tick }, () => world.open().every((run) => run.status !== "held"));
    for (const one of (await status(unread.deps)).modules) expect(one).toMatchObject({ held: none, gate: undefined });
  });

  it("shows who limited a module, why and until when, as long as that holds", async () => {
    const world = makeWorld();
    const anAction = actionOf({ who: "ada" }, "limit", "thumbnail", T0);
    const limit = { module: "thumbnail", slots: 7, who: "ada", why: "a slow disk", since: T0, until: T0 + 60_000 };
    await world.table.saveLimit(limit, undefined, anAction);
    expect(await moduleOf(world)).toMatchObject({ slots: 7, maxActive: 100, limit });
    world.clock.advance(60_000);
    expect(await moduleOf(world)).toMatchObject({ slots: 100, maxActive: 100, limit: undefined });
  });

  it("shows what is held at a gate", async () => {
    const world = makeWorld([aModule({ when: { subject: "wanted" } })]);
    for (let n = 0; n < 12; n += 1) await world.send({ subject: "unwanted" });
    expect(await moduleOf(world, "")).toMatchObject({
      held: { count: 2, isMore: false },
      gate: { name: "source:thumbnails" },
      oldestAt: T0,
    });
    expect((await status(world.deps)).problems).toContainEqual(
      expect.objectContaining({ kind: "gate shut", gate: "source:thumbnails" }),
    );
  });

  it("names what the cluster is held for, and says so if it is away", async () => {
    const world = await withRun();
    await world.tick();
    world.cluster.failNext("namespaceUid", new UnavailableError("no connection"));
    expect((await status(world.deps)).problems).toEqual([{ kind: "cluster unavailable", detail: "no connection" }]);
    world.cluster.uid = "another";
    expect((await status(world.deps)).problems).toEqual([{ kind: "cluster held", because: "another cluster" }]);
  });

  it("says if no tick came to its end for five minutes", async () => {
    const world = await withRun();
    await world.tick();
    world.clock.advance(5 * 60_000 + 1);
    expect((await status(world.deps)).problems).toEqual([{ kind: "no tick", lastAt: T0 }]);
  });

  it("keeps what only a full tick finds through the light ones", async () => {
    const world = await withRun();
    world.cluster.linger(world.jobName());
    world.clock.advance(48 * 3_600_000);
    await world.tick();
    const at = world.clock.now();
    world.clock.advance(10_000);
    await world.lightTick();
    expect((await status(world.deps)).problems).toEqual([{ kind: "overdue", count: 1, at }]);
  });
});
