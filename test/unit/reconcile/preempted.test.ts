import { expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, ticks, type World, withRun } from "../../support/world.ts";

const DAY_MS = 24 * 3_600_000;

const QUEUED = {
  metadata: { labels: { "kueue.x-k8s.io/queue-name": "q" } },
  spec: { template: { spec: { containers: [{ name: "main", image: "busybox" }] } } },
};

it("a Job that Kueue preempts keeps its attempt, costs nothing, and each preemption is logged", async () => {
  const module = aModule({ retry: RETRY, work: { kind: "jobTemplate", jobTemplate: QUEUED } });
  const world = await withRun(makeWorld([module]));
  const name = world.jobName();
  await world.tick();
  for (let times = 0; times < 5; times += 1) {
    world.cluster.suspend(name);
    await world.tick();
    await world.tick();
    world.clock.advance(60_000);
    world.cluster.resume(name);
    world.cluster.run(name);
    await world.tick();
  }
  expect(world.run()).toMatchObject({ attempt: 1, failures: 0, interruptions: 0, status: "dispatched" });
  const lines = world.lines.filter(({ message }) => String(message).startsWith("a job was suspended while it ran"));
  expect(lines).toHaveLength(5);
  expect(lines[0]).toMatchObject({ level: "warn", jobName: name, attempt: 1 });
});

it("a Job that is suspended before it ran was not preempted", async () => {
  const world = makeWorld();
  await world.send();
  await world.tick();
  world.cluster.suspend(world.jobName());
  await world.tick();
  expect(world.lines.filter(({ message }) => String(message).startsWith("a job was suspended"))).toEqual([]);
});

it.each([
  { what: "was preempted after six days", order: () => {} },
  { what: "was cancelled and then preempted", order: (world: World, name: string) => world.cluster.cancel(name) },
])("a Job that $what is over only when its pod is gone", async ({ order }) => {
  const module = aModule({ retry: RETRY, maxRunningTimeMs: 30 * DAY_MS });
  const world = await withRun(makeWorld([module]), { body: "x".repeat(20_000) });
  const name = world.jobName();
  await world.tick();
  world.clock.advance(6 * DAY_MS);
  world.cluster.preempt(name);
  order(world, name);
  for (let tick = 0; tick < 5; tick += 1) {
    await world.tick();
    world.clock.advance(10_000);
  }
  expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  expect(world.cluster.names()).toEqual([name]);
  world.cluster.endPreempted(name);
  await ticks(world, () => world.open()[0]?.attempt === 2 || world.closed().length === 1);
  expect([...world.open(), ...world.closed()]).toHaveLength(1);
});
