import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, ticks, type World } from "../../support/world.ts";

const MINUTE = 60_000;
const ONCE = { ...RETRY, maxAttempts: 1 };
const WRONG_KIND = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.";

const linesOf = (world: World, message: string) => world.lines.filter((line) => line["message"] === message);

/** Plays the same to every Job that is made for these messages, until nothing is open or the time is over. */
async function playAll(world: World, play: (name: string) => void, messages = 30): Promise<void> {
  for (let n = 1; n <= messages; n += 1) await world.send({ messageId: `m-${n}` });
  for (let minute = 0; minute < 300 && world.open().length > 0; minute += 1) {
    for (const run of world.open()) if (run.status === "dispatched" && !run.endOrdered) play(run.jobName ?? "");
    world.clock.advance(MINUTE);
    await world.tick();
  }
}

describe("a template that keeps its Jobs from starting trips its module, whatever the words, and two messages may pay:", () => {
  it.each([
    {
      what: "a volume's Secret that is missing",
      play: ({ cluster }: World, name: string) =>
        cluster.stickAtVolume(name, 'MountVolume.SetUp failed for volume "keys" : secret "no-such-secret" not found'),
    },
    {
      what: "a selector that fits no node",
      play: ({ cluster }: World, name: string) => cluster.unschedule(name, WRONG_KIND),
    },
    {
      what: "a policy for pods, which denies with an id",
      play: ({ cluster }: World, name: string) =>
        cluster.withholdPod(name, `admission webhook "policy" denied the request: ${Math.random()}`),
    },
    {
      what: "a kubelet's refusal",
      play: ({ cluster }: World, name: string) => cluster.refusePod(name, "SysctlForbidden"),
    },
    {
      what: "a volume's Secret that is missing, if the pod's own deadline comes first",
      play: ({ cluster }: World, name: string) => {
        cluster.stickAtVolume(name, 'MountVolume.SetUp failed for volume "keys" : secret "no-such-secret" not found');
        cluster.timeOutUnstarted(name);
      },
    },
    {
      what: "a command that isn't in the image",
      play: ({ cluster }: World, name: string) => cluster.fail(name, 128, { reason: "StartError" }),
    },
  ])("$what", async ({ play }) => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await playAll(world, (name) => play(world, name));
    expect(world.closed().length).toBeLessThanOrEqual(2);
    expect(world.closed().every(({ verdict }) => verdict?.reason === "JobNotStarted")).toBe(true);
    expect(world.open().every(({ failures }) => failures === 0)).toBe(true);
    expect((await world.table.moduleStates())[0]?.state.trippedAt).toBeDefined();
  });

  it("a native sidecar whose image can't be pulled", async () => {
    const template = {
      spec: {
        initContainers: [{ name: "proxy", image: "nope", restartPolicy: "Always" }],
        containers: [{ name: "main", image: "busybox" }],
      },
    };
    const work = { kind: "jobTemplate", jobTemplate: { spec: { template } } } as const;
    const world = makeWorld([aModule({ retry: ONCE, work })]);
    await playAll(world, (name) => world.cluster.stick(name, "ImagePullBackOff", "not found", "proxy"));
    expect(world.closed()).toHaveLength(2);
    expect((await world.table.moduleStates())[0]?.state.trippedAt).toBeDefined();
  });
});

describe("a Job that can't start", () => {
  it("is judged by what it did, if it starts after all before the order to end it reaches the cluster", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, permanentExitCodes: [64] } })]);
    await world.send();
    const name = world.jobName();
    world.cluster.stick(name);
    await world.tick();
    world.clock.advance(30_000);
    world.cluster.failNext("end");
    await world.tick();
    expect(world.run()).toHaveProperty("endOrdered");
    world.cluster.run(name);
    world.cluster.fail(name, 64);
    await ticks(world, () => world.open().length === 0);
    expect(world.closed()).toMatchObject([{ attempt: 1, verdict: { reason: "JobFailed", exitCode: 64 } }]);
  });

  it("has its 30 s from when it was first seen so, however old its pod is", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await world.send();
    world.clock.advance(10 * MINUTE);
    world.cluster.stick(world.jobName());
    for (let second = 0; second < 30; second += 10) {
      await world.tick();
      expect(world.run()).toMatchObject({ heldUpBy: "image" });
      expect(world.run()).not.toHaveProperty("endOrdered");
      world.clock.advance(10_000);
    }
    await world.tick();
    expect(world.run().endOrdered).toMatchObject({ reason: "JobNotStarted", kind: "failure" });
  });

  it("is forgiven if it starts in time, and has its 30 s anew", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await world.send();
    world.cluster.stick(world.jobName());
    await world.tick();
    world.clock.advance(20_000);
    world.cluster.run(world.jobName());
    await world.tick();
    expect(world.run()).not.toHaveProperty("heldUpBy");
    world.clock.advance(MINUTE);
    world.cluster.stick(world.jobName());
    await world.tick();
    expect(world.run()).toMatchObject({ heldUpBy: "image" });
    expect(world.run()).not.toHaveProperty("endOrdered");
  });

  it("is not blamed for nodes that were full for hours and are of another kind for a moment", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await world.send();
    world.cluster.unschedule(world.jobName(), "0/3 nodes are available: 3 Insufficient cpu.");
    await ticks(world, () => false, 10 * MINUTE, 12);
    world.cluster.unschedule(world.jobName(), WRONG_KIND);
    await ticks(world, () => false, 2 * MINUTE, 5);
    expect(world.run()).toMatchObject({ heldUpBy: "node-selector" });
    expect(world.run()).not.toHaveProperty("endOrdered");
    world.cluster.unschedule(world.jobName(), "0/3 nodes are available: 3 Insufficient cpu.");
    await ticks(world, () => false, 10 * MINUTE, 12);
    expect(world.run()).toMatchObject({ heldUpBy: "no-node", status: "dispatched" });
  });
});

describe("a Job that waits for the cluster", () => {
  it("says why in its row, in one log line and in the tick line, and is counted for the alert", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await world.send();
    world.cluster.unschedule(world.jobName(), "0/3 nodes are available: 3 Insufficient cpu.");
    world.clock.advance(15 * MINUTE);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ working: 1, notStarted: 0 });
    for (let tick = 0; tick < 20; tick += 1) {
      world.clock.advance(10_000);
      await world.tick();
    }
    expect(world.lastTick()).toMatchObject({ working: 0, notStarted: 1, waiting: { "no-node": 1 } });
    expect(world.run()).toMatchObject({
      heldUpBy: "no-node",
      lastError: "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
    });
    expect(linesOf(world, "a job can't start yet")).toMatchObject([
      { level: "warn", cause: "no-node", why: expect.stringContaining("Insufficient cpu") },
    ]);
  });

  it("is looked at once a minute", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await world.send();
    world.cluster.withholdPod(world.jobName(), "exceeded quota: pods");
    world.clock.advance(16 * MINUTE);
    await world.tick();
    const before = world.cluster.calls.get("events") ?? 0;
    for (let tick = 0; tick < 60; tick += 1) {
      world.clock.advance(10_000);
      await world.tick();
    }
    expect((world.cluster.calls.get("events") ?? 0) - before).toBe(10);
  });

  it("is looked at less often if there are many", async () => {
    const world = makeWorld([aModule({ retry: ONCE, maxActive: 2_000 })]);
    for (let n = 0; n < 1_200; n += 1) await world.send({ messageId: `m-${n}` });
    for (const name of world.cluster.names()) world.cluster.withholdController(name);
    world.clock.advance(16 * MINUTE);
    await world.tick();
    const before = world.cluster.calls.get("get") ?? 0;
    for (let tick = 0; tick < 12; tick += 1) {
      world.clock.advance(10_000);
      await world.tick();
    }
    expect((world.cluster.calls.get("get") ?? 0) - before).toBe(1_200);
    expect(world.lastTick()).toMatchObject({ notStarted: 1_200 });
  });

  it("charges nothing if the cluster takes its pod away before anything of it has started", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxInterruptions: 0 } })]);
    await world.send();
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      await ticks(world, () => world.run().status === "dispatched" && world.run().attempt === attempt);
      world.cluster.refusePod(world.jobName(), "OutOfcpu");
      await world.tick();
    }
    expect(world.run()).toMatchObject({ attempt: 6, failures: 0, interruptions: 0 });
  });
});

describe("a Job with a body over 16 KiB", () => {
  const DAY = 24 * 60 * MINUTE;
  const large = { body: "x".repeat(20_000) };

  it("is replaced at no cost if it has not started before its URL ends, and its pod gets a new URL", async () => {
    const world = makeWorld([aModule({ retry: { ...ONCE, maxInterruptions: 0 } })]);
    await world.send(large);
    world.cluster.withholdPod(world.jobName(), "exceeded quota: pods");
    await ticks(world, () => false, DAY / 2, 11);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    world.clock.advance(DAY);
    await ticks(world, () => world.run().attempt === 2 && world.run().status === "dispatched", 10_000);
    expect(world.run()).toMatchObject({ attempt: 2, failures: 0, interruptions: 0 });
    const urlOf = (attempt: number) =>
      world.cluster.creates[attempt - 1]?.spec?.template.metadata?.annotations?.["ion/message-url"];
    expect(urlOf(2)).not.toBe(urlOf(1));
  });

  it("is left alone if it runs, however long", async () => {
    const world = makeWorld([aModule({ retry: ONCE, maxRunningTimeMs: 30 * DAY })]);
    await world.send(large);
    world.cluster.run(world.jobName());
    await ticks(world, () => false, DAY, 10);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(world.run()).not.toHaveProperty("endOrdered");
  });

  it("is left alone if Jobs read their bodies with their own identity, because that URL does not end", async () => {
    const world = makeWorld([aModule({ retry: ONCE })], { bodyAccess: "identity" });
    await world.send(large);
    world.cluster.withholdPod(world.jobName(), "exceeded quota: pods");
    await ticks(world, () => false, DAY, 20);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(world.run()).not.toHaveProperty("endOrdered");
  });

  it("is left alone if its module was removed, which starts no other Job", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    await world.send(large);
    world.cluster.suspend(world.jobName());
    const replica = world.makeReplica({ modules: new Map() });
    world.clock.advance(10 * DAY);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(world.run()).not.toHaveProperty("endOrdered");
  });

  it("counts its URL's time from the Job's creation, although the row took it over much later", async () => {
    const world = makeWorld([aModule({ retry: ONCE })]);
    world.cluster.loseNextReply("create");
    await world.send(large);
    const createdAt = world.clock.now();
    world.clock.advance(5 * DAY);
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run().dispatchedAt).toBe(createdAt);
  });
});
