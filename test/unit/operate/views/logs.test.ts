import { describe, expect, it } from "vitest";
import { DeniedError, UnavailableError } from "../../../../shared/errors.ts";
import { lastLines } from "../../../../shared/operate/views/last-lines.ts";
import { followLogs, newPart, readLogs } from "../../../../shared/operate/views/logs.ts";
import { waitForRun } from "../../../../shared/operate/views/wait.ts";
import { runId } from "../../../../shared/run/run.ts";
import { aModule } from "../../../support/a-module.ts";
import { makeWorld, RETRY, ticks, withRun } from "../../../support/world.ts";

describe("the last lines of runs", () => {
  it("are those of runs at work that wrote any, of the last container that did", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 3; sent += 1) await world.send();
    const [talks = "", silent = "", ends = ""] = world.open().map(({ jobName }) => jobName);
    for (const name of [talks, silent, ends]) world.cluster.run(name);
    world.cluster.setLog(talks, "worker", "frame 1 of 9\nframe 2 of 9\n\n");
    world.cluster.setLog(ends, "worker", "done\n");
    const ids = world.open().map(runId);
    world.cluster.succeed(ends);
    await world.tick();
    expect(await lastLines(world.deps, [...ids, "thumbnails:99:1", "no id"])).toEqual(
      new Map([[ids[0], "frame 2 of 9"]]),
    );
  });

  it("leave out what the cluster can't say just now", async () => {
    const world = await withRun();
    world.cluster.run(world.jobName());
    world.cluster.setLog(world.jobName(), "worker", "frame 1 of 9\n");
    const away = { ...world.deps.cluster, pods: () => Promise.reject(new UnavailableError("away")) };
    expect(await lastLines({ ...world.deps, cluster: away }, [runId(world.run())])).toEqual(new Map());
  });
});

describe("the log of a run", () => {
  it("comes from the pod while that is there, and from what was kept afterwards", async () => {
    const world = await withRun();
    const key = world.run();
    const name = world.jobName();
    world.cluster.setLog(name, "worker", "one\ntwo\n");
    expect(await readLogs(world.deps, key)).toMatchObject({
      attempt: 1,
      from: "pod",
      containers: [{ container: "worker", text: "one\ntwo\n", isCut: false }],
    });
    world.cluster.succeed(name);
    await world.tick();
    world.cluster.deleteJob(name);
    expect(await readLogs(world.deps, key)).toMatchObject({
      run: { status: "succeeded" },
      attempt: 1,
      from: "store",
      containers: [{ container: "worker", text: "one\ntwo\n", isCut: false }],
    });
  });

  it("is what was kept of it if the cluster is away or shows no pods to this person, and else says why", async () => {
    const world = await withRun(makeWorld([aModule({ retry: RETRY })]));
    const key = world.run();
    world.cluster.setLog(world.jobName(), "worker", "first");
    world.cluster.fail(world.jobName());
    await ticks(world, () => world.run().status === "waiting", 0);
    await ticks(world, () => world.run().status === "dispatched");
    const denied = { ...world.deps.cluster, pods: () => Promise.reject(new DeniedError("may not list pods")) };
    const deps = { ...world.deps, cluster: denied };
    expect(await readLogs(deps, key, 1)).toMatchObject({ from: "store", containers: [{ text: "first" }] });
    await expect(readLogs(deps, key, 2)).rejects.toThrow("may not list pods");
  });

  it("is that of the attempt that is asked for, or else of the last one that began", async () => {
    const world = await withRun(makeWorld([aModule({ retry: RETRY })]));
    const key = world.run();
    world.cluster.setLog(world.jobName(), "worker", "first");
    world.cluster.fail(world.jobName());
    await ticks(world, () => world.run().status === "waiting", 0);
    expect(await readLogs(world.deps, key)).toMatchObject({ attempt: 1, containers: [{ text: "first" }] });
    await ticks(world, () => world.run().status === "dispatched");
    world.cluster.run(world.jobName());
    world.cluster.setLog(world.jobName(), "worker", "second");
    expect(await readLogs(world.deps, key)).toMatchObject({ attempt: 2, containers: [{ text: "second" }] });
    expect(await readLogs(world.deps, key, 1)).toMatchObject({ attempt: 1, containers: [{ text: "first" }] });
    expect(await readLogs(world.deps, key, 3)).toMatchObject({ attempt: 3, from: "nowhere", containers: [] });
  });

  it("is empty before the first attempt, and none without a run", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    await world.send();
    const key = world.run();
    expect(await readLogs(world.deps, key)).toMatchObject({ attempt: 0, from: "nowhere", containers: [] });
    expect(await readLogs(world.deps, { ...key, sequenceNumber: 99 })).toBeUndefined();
  });

  it("is followed part by part, until the run is closed", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.setLog(name, "worker", "one\n");
    const parts: string[] = [];
    for await (const { text } of followLogs(world.deps, world.run(), {
      signal: new AbortController().signal,
      everyMs: 1,
    })) {
      parts.push(text);
      if (parts.length === 1) world.cluster.setLog(name, "worker", "one\ntwo\n");
      else {
        world.cluster.succeed(name);
        await world.tick();
      }
    }
    expect(parts).toEqual(["one\n", "two\n"]);
  });

  it.each([
    { what: "grew", before: "a\nb\n", now: "a\nb\nc\n", part: "c\n" },
    { what: "is the same", before: "a\n", now: "a\n", part: "" },
    { what: "lost its beginning", before: "a\nb\n".repeat(2_000), now: `${"a\nb\n".repeat(1_500)}c\n`, part: "c\n" },
    { what: "has nothing of before", before: "x".repeat(9_000), now: "y\n", part: "y\n" },
  ])("gives only what is new if it $what", ({ before, now, part }) => {
    expect(newPart(before, now)).toBe(part);
  });
});

describe("the wait for a run", () => {
  it("ends with the run as it was closed", async () => {
    const world = await withRun();
    const waiting = waitForRun(world.deps, world.run(), { everyMs: 1 });
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(await waiting).toMatchObject({ status: "succeeded" });
  });

  it("ends with nothing if there is no such run, or if it is broken off", async () => {
    const world = await withRun();
    expect(await waitForRun(world.deps, { ...world.run(), sequenceNumber: 99 })).toBeUndefined();
    const breaker = new AbortController();
    const waiting = waitForRun(world.deps, world.run(), { signal: breaker.signal });
    breaker.abort();
    expect(await waiting).toBeUndefined();
  });
});
