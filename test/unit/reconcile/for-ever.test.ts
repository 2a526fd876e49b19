import { describe, expect, it } from "vitest";
import type { Dependencies } from "../../../shared/dependencies.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { CLUSTER_HOLDS } from "../../../shared/run/run.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

// Each outage that docs/reliability.md calls one for ever lasts a month here, over a module that forgives nothing. The
// page's test compares the names.

const HOUR = 3_600_000;
const MONTH = 30 * 24 * HOUR;
const STEP = 4 * HOUR;

interface Outage {
  readonly what: string;
  /** The part of the outage, if the page's line names several. */
  readonly how?: string;
  /** Whether the outage begins before the message is accepted. */
  readonly from?: "the start";
  /** The ports that don't answer. */
  readonly away?: readonly ("broker" | "table" | "cluster" | "payloads")[];
  /** What is done to the Job again and again while the outage lasts. */
  readonly play?: (world: World, name: string) => void;
  /** What the tick line says of the run while the outage lasts. */
  readonly cause?: string;
  readonly body?: string;
  /** Nobody ticks while the outage lasts. */
  readonly silent?: true;
}

const QUOTA = 'pods "x" is forbidden: exceeded quota: mem, requested: limits.memory=1Gi, used: limits.memory=64Gi';
const WEBHOOK = 'Internal error occurred: failed calling webhook "inject.istio.io": no endpoints available';
const FULL = "0/3 nodes are available: 3 Insufficient cpu.";
const NOT_READY = "0/3 nodes are available: 3 node(s) had untolerated taint(s).";
const SOME_NOT_READY =
  "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 2 node(s) didn't match Pod's node affinity/selector.";
const LARGE = "x".repeat(20_000);

const OUTAGES: readonly Outage[] = [
  { what: "all replicas", silent: true },
  { what: "the bus", away: ["broker"] },
  { what: "the table, for runs that are open", away: ["table"] },
  { what: "the cluster", away: ["cluster"] },
  { what: "the cluster", how: "before the Job is made", from: "the start", away: ["cluster"] },
  {
    what: "the cluster's quota, a webhook, the app's rights",
    how: "a quota on Jobs",
    from: "the start",
    play: ({ cluster }) => cluster.quotaNext(),
    cause: "quota",
  },
  {
    what: "the cluster's quota, a webhook, the app's rights",
    how: "what is an error to a create",
    from: "the start",
    play: ({ cluster }) => cluster.failNext("create", new UnavailableError("failed calling webhook")),
  },
  {
    what: "a quota on pods, a webhook for pods",
    how: "quota",
    play: ({ cluster }, name) => cluster.withholdPod(name, QUOTA),
    cause: "pod-quota",
  },
  {
    what: "a quota on pods, a webhook for pods",
    how: "webhook",
    play: ({ cluster }, name) => cluster.withholdPod(name, WEBHOOK),
    cause: "pod-webhook",
  },
  {
    what: "a quota on pods, a webhook for pods",
    how: "a body over 16 KiB",
    play: ({ cluster }, name) => cluster.withholdPod(name, QUOTA),
    cause: "pod-quota",
    body: LARGE,
  },
  {
    what: "the Job controller, the scheduler",
    how: "controller",
    play: ({ cluster }, name) => cluster.withholdController(name),
    cause: "no-pod",
  },
  {
    what: "the Job controller, the scheduler",
    how: "scheduler",
    play: ({ cluster }, name) => cluster.leaveUnscheduled(name),
    cause: "no-node",
  },
  {
    what: "space on the nodes",
    play: ({ cluster }, name) => cluster.unschedule(name, FULL),
    cause: "no-node",
  },
  {
    what: "space on the nodes",
    how: "a body over 16 KiB",
    play: ({ cluster }, name) => cluster.unschedule(name, FULL),
    cause: "no-node",
    body: LARGE,
  },
  {
    what: "all nodes, because they are not ready",
    play: ({ cluster }, name) => cluster.unschedule(name, NOT_READY),
    cause: "no-node",
  },
  {
    what: "all nodes, because they are not ready",
    how: "the others are of another kind",
    play: ({ cluster }, name) => cluster.unschedule(name, SOME_NOT_READY),
    cause: "no-node",
  },
  {
    what: "what holds a Job or its pod back: a queue, a scheduling gate",
    how: "gate",
    play: ({ cluster }, name) => cluster.gate(name),
    cause: "scheduling-gate",
  },
  {
    what: "what holds a Job or its pod back: a queue, a scheduling gate",
    how: "queue",
    play: ({ cluster }, name) => cluster.suspend(name),
    cause: "job-suspended",
  },
  {
    what: "what holds a Job or its pod back: a queue, a scheduling gate",
    how: "queue, and a body over 16 KiB",
    play: ({ cluster }, name) => cluster.suspend(name),
    cause: "job-suspended",
    body: LARGE,
  },
  { what: "the store of large bodies", from: "the start", away: ["payloads"], body: LARGE },
];

/** The ports of a world, of which some don't answer as long as `isAway` says so. */
function portsOf(world: World, away: Outage["away"] = [], isAway: () => boolean): Partial<Dependencies> {
  const guarded = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          if (isAway()) return Promise.reject(new UnavailableError("no answer"));
          return Reflect.apply(member, target, args);
        };
      },
    });
  const { broker, cluster, payloads } = world.deps;
  const table = guarded(world.table);
  return {
    ...(away.includes("broker") ? { broker: guarded(broker) } : {}),
    ...(away.includes("cluster") ? { cluster: guarded(cluster) } : {}),
    ...(away.includes("payloads") ? { payloads: guarded(payloads) } : {}),
    ...(away.includes("table") ? { table, instanceTable: table } : {}),
  };
}

describe("a month without", () => {
  it.each(OUTAGES)("$what ($how) costs a message nothing, and its work is done afterwards", async (outage) => {
    const module = aModule({ retry: { ...RETRY, maxAttempts: 1, maxInterruptions: 0 } });
    const world = makeWorld([module]);
    const { cluster, clock } = world;
    let isAway = outage.from === "the start";
    const replica = world.makeReplica(portsOf(world, outage.away, () => isAway));
    if (isAway) outage.play?.(world, "");
    await replica.accept(world.broker.deliver(SOURCE, { messageId: "m-1", body: Buffer.from(outage.body ?? "{}") }));

    isAway = true;
    const causes = new Set<string>();
    let most = 0;
    for (const end = clock.now() + MONTH; clock.now() < end; clock.advance(STEP)) {
      const [run] = world.open();
      const name = run?.status === "dispatched" && !run.endOrdered ? (run.jobName ?? "") : undefined;
      if (outage.from === "the start" || name !== undefined) {
        if (name !== undefined && outage.play && cluster.job(name).spec?.suspend !== true) cluster.givePod(name);
        outage.play?.(world, name ?? "");
      }
      if (!outage.silent) await replica.tick();
      for (const cause of Object.keys(Object(world.lastTick()?.["waiting"]))) causes.add(cause);
      most = Math.max(most, Number(world.lastTick()?.["notStarted"] ?? 0));
    }
    expect([...causes]).toEqual(expect.arrayContaining(outage.cause === undefined ? [] : [outage.cause]));
    const alarms = CLUSTER_HOLDS.some((cause) => cause === outage.cause) ? 1 : 0;
    expect(most, "Jobs not started, for the alert").toBe(outage.cause === undefined ? most : alarms);
    expect(world.closed()).toEqual([]);

    isAway = false;
    for (let tick = 0; tick < 400 && world.open().length > 0; tick += 1) {
      const [run] = world.open();
      if (run?.status === "dispatched" && run.jobName !== undefined && !run.endOrdered) {
        if (cluster.job(run.jobName).spec?.suspend === true) cluster.resume(run.jobName);
        cluster.givePod(run.jobName);
        cluster.run(run.jobName);
        cluster.succeed(run.jobName);
      }
      await replica.tick();
      clock.advance(10_000);
    }
    expect(world.closed()).toMatchObject([{ status: "succeeded", failures: 0, interruptions: 0 }]);
    expect(world.message(1).state).toBe("completed");
    // A Job with the URL of its body is replaced every six days.
    expect(world.closed()[0]?.attempt).toBe(outage.body !== undefined && outage.cause ? 5 : 1);
  });
});

it("costs nothing if no container of a pod starts until its time is over, again and again", async () => {
  const world = makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 1, maxInterruptions: 0 } })]);
  await world.send();
  for (let hour = 0; hour < 100; hour += 1) {
    world.clock.advance(HOUR);
    if (world.run().status === "dispatched") world.cluster.timeOutUnstarted(world.jobName());
    await world.tick();
    await world.tick();
  }
  expect(world.run()).toMatchObject({ failures: 0, interruptions: 0 });
  expect(world.run().attempt).toBeGreaterThan(40);
  world.cluster.run(world.jobName());
  world.cluster.succeed(world.jobName());
  await world.tick();
  expect(world.message(1).state).toBe("completed");
});
