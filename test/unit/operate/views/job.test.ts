import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { eventText, noEventsText, noJobText } from "../../../../cli/runs/job-words.ts";
import { UnavailableError } from "../../../../shared/errors.ts";
import { type JobInCluster, jobYaml, showJob } from "../../../../shared/operate/views/job.ts";
import type { RunKey } from "../../../../shared/run/run.ts";
import { aModule } from "../../../support/a-module.ts";
import { makeWorld, type World, withRun } from "../../../support/world.ts";

async function shown(world: World, key: RunKey = world.run()): Promise<JobInCluster> {
  const job = await showJob(world.deps, key);
  if (job === undefined || job === "newer") throw new Error("no run");
  return job;
}

function jobIn({ job }: JobInCluster) {
  if ("unavailable" in job || job.found === null) throw new Error("no Job");
  return job.found;
}

describe("the Job of a run", () => {
  it("is shown as the cluster has it, but without what only the server needs", async () => {
    const world = await withRun(makeWorld(), { body: Buffer.from('{"name":"Ada"}') });
    const name = world.jobName();
    const { metadata } = world.cluster.job(name);
    if (metadata) metadata.managedFields = [{ manager: "dispatcher" }];
    const found = await shown(world);
    expect(found).toMatchObject({ attempt: 1, name });
    expect(jobIn(found)).toMatchObject({
      metadata: { name },
      spec: { template: { metadata: { annotations: { "ion/message": '{"name":"Ada"}' } } } },
    });
    expect(jobIn(found).metadata).not.toHaveProperty("managedFields");
    expect(parse(jobYaml(jobIn(found)))).toEqual(jobIn(found));
    expect(noJobText(found)).toBeUndefined();
  });

  it("is shown without the signature by which its body can be fetched", async () => {
    const world = await withRun(makeWorld(), { body: Buffer.alloc(20_000, "x") });
    const { annotations = {} } = world.cluster.job(world.jobName()).spec?.template.metadata ?? {};
    annotations["ion/message-url"] = "https://store/body?se=2026&sig=c2VjcmV0&sp=r";
    const text = jobYaml(jobIn(await shown(world)));
    expect(text).toContain("https://store/body?se=2026&sig=...&sp=r");
    expect(text).not.toContain("c2VjcmV0");
  });

  it("comes with the events of it and of its pods", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.withholdPod(name, "quota of pods is full");
    world.cluster.givePod(name);
    world.clock.advance(1_000);
    world.cluster.stickAtVolume(name, 'secret "key" not found');
    const { events } = await shown(world);
    expect(events).toMatchObject({
      found: [
        { kind: "Job", name, isWarning: true, reason: "FailedCreate", message: "quota of pods is full", count: 1 },
        { kind: "Pod", isWarning: true, reason: "FailedMount", message: 'secret "key" not found' },
      ],
    });
    expect(noEventsText(events)).toBeUndefined();
  });

  it("that is gone is said to be, and its events are still shown", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.withholdPod(name, "quota of pods is full");
    world.cluster.deleteJob(name);
    const found = await shown(world);
    expect(found).toMatchObject({ job: { found: null }, events: { found: [{ reason: "FailedCreate" }] } });
    expect(noJobText(found)).toBe(`Job ${name} of attempt 1 is not in the cluster any more`);
  });

  it("is shown also to those who may not read its events", async () => {
    const world = await withRun();
    world.cluster.failNext("events", new UnavailableError('events is forbidden: User "ada" cannot list'));
    const found = await shown(world);
    expect(jobIn(found).metadata?.name).toBe(found.name);
    expect(noEventsText(found.events)).toBe('events can\'t be read: events is forbidden: User "ada" cannot list');
  });

  it("is not asked for before an attempt has begun", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    await world.send();
    await world.tick();
    const [run] = world.open();
    if (!run) throw new Error("no run");
    const found = await shown(world, run);
    expect(found).toEqual({ attempt: 0, job: { found: null }, events: { found: [] } });
    expect(noJobText(found)).toBe("there is no Job, because no attempt has begun");
    expect(noEventsText(found.events)).toMatch(/^there are none/);
  });
});

describe("an event", () => {
  it.each([
    { over: {}, says: "Pod p-1: Started" },
    { over: { message: "Started container main" }, says: "Pod p-1: Started: Started container main" },
    { over: { isWarning: true, reason: "BackOff", count: 12 }, says: "Warning, Pod p-1: BackOff (12 times)" },
  ])("is told in a line: $says", ({ over, says }) => {
    const event = { kind: "Pod", name: "p-1", isWarning: false, reason: "Started", message: "", count: 1 } as const;
    expect(eventText({ ...event, ...over })).toBe(says);
  });
});
