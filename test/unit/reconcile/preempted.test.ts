import { expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, withRun } from "../../support/world.ts";

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
