import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { JobCluster } from "../../../shared/ports/job-cluster.ts";
import { aModule } from "../../support/a-module.ts";
import { clusterAt } from "../../support/cluster-at.ts";
import { startLoopbackServer } from "../../support/loopback-server.ts";
import { makeWorld, RETRY, SOURCE, ticks, withRun } from "../../support/world.ts";

/** The world's cluster, but for these calls, which the other one answers. */
function withCalls(cluster: JobCluster, other: JobCluster, ...calls: readonly (keyof JobCluster)[]): JobCluster {
  return new Proxy(cluster, {
    get(target, name) {
      const from = calls.some((call) => call === name) ? other : target;
      const member: unknown = Reflect.get(from, name);
      return typeof member === "function" ? (member.bind(from) as unknown) : member;
    },
  });
}

describe("a status of a Job that this version doesn't know", () => {
  /** A server that lists these Jobs, each with what it prints as their status. */
  const listing = (jobs: readonly (readonly [name: string, status: string])[]) =>
    startLoopbackServer((request, response) => {
      const isList = request.url?.includes("/jobs") === true && !request.url.includes("cancel");
      const columnDefinitions = [{ name: "Name" }, { name: "Status" }];
      const rows = isList ? jobs.map((cells) => ({ cells })) : [];
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ kind: "Table", metadata: {}, columnDefinitions, rows }));
    });

  it("stops nothing else: the others are settled in the same tick, and the word is in the log", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    const other = clusterAt(
      await listing([
        [name, "Complete"],
        ["another-0000000000-1-1", "Pending"],
      ]),
    );
    const cluster = withCalls(world.cluster, other, "listJobs", "listPods", "listCancelled");
    await world.makeReplica({ cluster }).tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.lastTick()).toMatchObject({ message: "reconciled", completed: 1, failed: 0 });
    expect(world.lines).toContainEqual(expect.objectContaining({ level: "warn", jobs: 1, statuses: '"Pending"' }));
  });

  it.each([
    { what: "that is over", settle: true, state: "completed", working: 0 },
    { what: "that is at work", settle: false, state: "deferred", working: 1 },
  ])("has the Job looked at by itself, one $what", async ({ settle, state, working }) => {
    const world = await withRun();
    const name = world.jobName();
    if (settle) world.cluster.succeed(name);
    const other = clusterAt(await listing([[name, "Resting"]]));
    await world
      .makeReplica({ cluster: withCalls(world.cluster, other, "listJobs", "listPods", "listCancelled") })
      .tick();
    expect(world.message(1).state).toBe(state);
    expect(world.lastTick()).toMatchObject({ working, failed: 0 });
  });
});

describe("a webhook that denies one module's Jobs for a while", () => {
  const created = z.object({ metadata: z.object({ name: z.string() }) });

  it.each([403, 429, 503])(
    "with %s and a Retry-After costs neither its own nor another module's message",
    async (code) => {
      let isDenying = true;
      const asked: string[] = [];
      const server = await startLoopbackServer((request, response) => {
        let text = "";
        request.on("data", (chunk: Buffer) => (text += chunk.toString()));
        request.on("end", () => {
          const { name } = created.parse(JSON.parse(text)).metadata;
          asked.push(name);
          const message = 'admission webhook "fair-share.acme.io" denied the request: too many jobs, try again in 30 s';
          const denial = { kind: "Status", status: "Failure", message, reason: "TooManyRequests", code };
          const isDenied = isDenying && name.startsWith("team-a");
          response.writeHead(isDenied ? code : 201, {
            "content-type": "application/json",
            ...(isDenied ? { "retry-after": "30" } : {}),
          });
          response.end(JSON.stringify(isDenied ? denial : { kind: "Job", metadata: { name, uid: "u" } }));
        });
      });
      const world = makeWorld([
        aModule({ name: "team-a", retry: RETRY, when: { subject: "a" } }),
        aModule({ name: "team-b", retry: RETRY, when: { subject: "b" } }),
      ]);
      const replica = world.makeReplica({ cluster: withCalls(world.cluster, clusterAt(server), "create") });
      await replica.accept(world.broker.deliver(SOURCE, { messageId: "a-1", subject: "a" }));
      await replica.accept(world.broker.deliver(SOURCE, { messageId: "b-1", subject: "b" }));
      expect(world.open().map(({ status }) => status)).toEqual(["accepted", "dispatched"]);
      expect(asked).toHaveLength(2);
      world.clock.advance(20_000);
      await replica.tick();
      isDenying = false;
      await ticks({ ...world, tick: replica.tick }, () =>
        world.open().some(({ module, status }) => module === "team-a" && status === "dispatched"),
      );
      expect(world.open()[0]).toMatchObject({ module: "team-a", status: "dispatched", attempt: 1, failures: 0 });
    },
  );
});
