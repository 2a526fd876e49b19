import { randomUUID } from "node:crypto";
import type { V1Job } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { policyChanges } from "../../shared/jobs/policy-changes.ts";
import type { JobNews } from "../../shared/ports/job-cluster.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import {
  buildJob,
  type ClusterUnderTest,
  type JobOptions,
  jobUser,
  type Outcome,
  PATIENCE,
  type StartCluster,
} from "./job-harness.ts";

/**
 * Checks the rules of `JobCluster` on the fake, the local cluster, or a real one. Images and commands are such that all
 * of them can run the Jobs.
 */
export function describeJobCluster(name: string, start: StartCluster): void {
  describe(`a JobCluster: ${name}`, { timeout: 90_000 }, () => {
    let under: ClusterUnderTest;
    beforeAll(async () => {
      under = await start();
    }, 90_000);
    afterAll(() => under.close());

    const { created: createdAs, stateOf, reaches, isRunning, failure } = jobUser(() => under);
    const aJob = (command: string, options: JobOptions = {}): V1Job => buildJob(under.instance, command, options);
    const created = (command: string, outcome: Outcome, options: JobOptions = {}, log?: string) =>
      createdAs(aJob(command, options), outcome, log);

    test("creates a Job and gets it by name, with the uid that the create told", async () => {
      const { jobName, uid } = await created("exit 0", { exitCode: 0 });
      const job = await under.cluster.get(jobName);
      expect(job?.metadata?.uid).toBe(uid);
      expect(job?.metadata?.creationTimestamp).toBeInstanceOf(Date);
    });

    test("gets nothing for a name that no Job has", async () => {
      expect(await under.cluster.get("no-such-job")).toBeUndefined();
    });

    test("answers a second create of a name with the Job that has it", async () => {
      const job = aJob("exit 0");
      const first = await under.cluster.create(job);
      const second = await under.cluster.create(job);
      expect(first.kind).toBe("created");
      expect(second).toMatchObject({
        kind: "exists",
        job: { metadata: { uid: first.kind === "created" ? first.uid : "" } },
      });
    });

    test("tries a Job without creating it", async () => {
      const job = aJob("exit 0");
      const tried = await under.cluster.tryCreate(job);
      expect(tried).toMatchObject({ kind: "accepted", warnings: [] });
      const stored = tried.kind === "accepted" ? tried.stored : undefined;
      expect(stored && policyChanges(job, stored)).toEqual([]);
      expect(await under.cluster.get(job.metadata?.name ?? "")).toBeUndefined();
      expect(await under.cluster.create(job)).toMatchObject({ kind: "created" });
    });

    test("accepts a Job that is tried under a name that is taken", async () => {
      const job = aJob("exit 0");
      await under.cluster.create(job);
      expect(await under.cluster.tryCreate(job)).toMatchObject({ kind: "accepted" });
    });

    test("refuses a Job when it is tried as when it is created, naming the field", async () => {
      const job = aJob("", { pod: { containers: [{ name: "main", image: "" }] } });
      const refused = await under.cluster.create(job);
      expect(refused.kind).toBe("refused");
      expect("message" in refused && refused.message).toContain(
        "spec.template.spec.containers[0].image: Required value",
      );
      const faults = [{ field: "spec.template.spec.containers[0].image", message: "Required value" }];
      expect(await under.cluster.tryCreate(job)).toEqual({ ...refused, faults });
    });

    test("has every right of the documented Role", async () => {
      for (const right of RIGHTS) expect([right, await under.cluster.mayI(right)]).toEqual([right, true]);
    });

    test("says its version", async () => {
      const { major, minor } = (await under.cluster.version()) ?? {};
      expect(major).toBe(1);
      expect(minor).toBeGreaterThanOrEqual(31);
    });

    test("counts its Jobs, retired ones too, up to a limit", async () => {
      const anHourAgo = Date.now() - 3_600_000;
      const inAnHour = Date.now() + 3_600_000;
      const before = await under.cluster.count(anHourAgo, 10_000);
      const { jobName, uid } = await created("exit 0", { exitCode: 0 });
      await reaches(jobName, "complete");
      await under.cluster.retire(jobName, uid, 3_600, { end: false });
      await under.hands.create(buildJob("another-instance", "exit 0", {}));
      const after = await under.cluster.count(anHourAgo, 10_000);
      expect(after.finished).toBeGreaterThan(before.finished);
      expect(after.recent).toBe(before.recent + 1);
      expect((await under.cluster.count(inAnHour, 10_000)).recent).toBe(0);
      expect((await under.cluster.count(anHourAgo, 1)).recent).toBe(1);
    });

    test("lists Jobs that are ours, and no others", async () => {
      const { jobName } = await created("exit 0", { exitCode: 0 });
      const foreign = buildJob("another-instance", "exit 0", {});
      const unlabelled = withoutLabels(aJob("exit 0"));
      delete unlabelled.spec?.template.metadata?.labels;
      await under.hands.create(foreign);
      await under.hands.create(unlabelled);
      const names = (await under.cluster.listJobs()).jobs.map((listed) => listed.name);
      expect(names).toContain(jobName);
      expect(names).not.toContain(foreign.metadata?.name);
      expect(names).not.toContain(unlabelled.metadata?.name);
    });

    test("gives a Job without labels those of its pod template, and lists it by them", async () => {
      const job = withoutLabels(aJob("exit 0"));
      await under.hands.create(job);
      const names = (await under.cluster.listJobs()).jobs.map((listed) => listed.name);
      expect(names).toContain(job.metadata?.name);
    });

    /** Watches from a version until a Job ends that the test waits for. Resolves to all that was told. */
    async function newsUntil(since: string, isLast: (news: JobNews) => boolean): Promise<JobNews[]> {
      const all: JobNews[] = [];
      for await (const news of under.cluster.watchJobs(since, { seconds: 60, signal: AbortSignal.timeout(60_000) })) {
        all.push(news);
        if (isLast(news)) break;
      }
      return all;
    }

    test("tells a watch of the Jobs that end after the list, how they ended, and nothing of the others", async () => {
      const { version } = await under.cluster.listJobs();
      const good = await created("exit 0", { exitCode: 0 });
      const bad = await created("exit 3", { exitCode: 3 });
      const running = await created("sleep 60", "runs");
      await isRunning(running.jobName);
      await reaches(good.jobName, "complete");
      await reaches(bad.jobName, "failed");
      const ended = new Map<string, string>();
      const news = await newsUntil(version, ({ job }) => {
        // The Jobs of other tests end as well.
        if (job && [good, bad, running].some(({ jobName }) => jobName === job.name)) ended.set(job.name, job.state);
        return ended.has(good.jobName) && ended.has(bad.jobName);
      });
      expect(ended).toEqual(
        new Map([
          [good.jobName, "complete"],
          [bad.jobName, "failed"],
        ]),
      );
      // It goes on from what it told last: nothing is told twice.
      const last = news.at(-1)?.version ?? "";
      const next = await created("exit 0", { exitCode: 0 });
      const later = await newsUntil(last, ({ job }) => job?.name === next.jobName);
      const names = later.flatMap(({ job }) => job?.name ?? []);
      expect(names).toContain(next.jobName);
      expect(names).not.toContain(good.jobName);
    });

    test("tells a watch of the pods that succeed after the list, and of no others", async () => {
      const { version } = await under.cluster.listPods();
      const bad = await created("exit 3", { exitCode: 3 });
      const running = await created("sleep 60", "runs");
      await isRunning(running.jobName);
      await reaches(bad.jobName, "failed");
      const good = await created("exit 0", { exitCode: 0 });
      const told: string[] = [];
      const limits = { seconds: 60, signal: AbortSignal.timeout(60_000) };
      for await (const { jobName } of under.cluster.watchPods(version, limits)) {
        if (jobName !== undefined) told.push(jobName);
        if (jobName === good.jobName) break;
      }
      expect(told).not.toContain(bad.jobName);
      expect(told).not.toContain(running.jobName);
      await reaches(good.jobName, "complete");
    });

    test("tells a watch nothing of a Job that is retired", async () => {
      const { jobName, uid } = await created("exit 0", { exitCode: 0 });
      await reaches(jobName, "complete");
      const { version } = await under.cluster.listJobs();
      await under.cluster.retire(jobName, uid, 3_600, { end: false });
      const next = await created("exit 0", { exitCode: 0 });
      const news = await newsUntil(version, ({ job }) => job?.name === next.jobName);
      expect(news.map(({ job }) => job?.name)).not.toContain(jobName);
    });

    test("ends a watch after its time, and at once if it is told to", async () => {
      const { version } = await under.cluster.listJobs();
      const startedAt = performance.now();
      for await (const _ of under.cluster.watchJobs(version, { seconds: 1, signal: AbortSignal.timeout(30_000) }));
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      for await (const _ of under.cluster.watchJobs(version, { seconds: 60, signal: AbortSignal.timeout(200) }));
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    });

    test("glances at a Job: its status, and the metadata that name its run", async () => {
      const { jobName, uid } = await created("exit 0", { exitCode: 0 });
      await reaches(jobName, "complete");
      const { metadata } = (await under.cluster.get(jobName)) ?? {};
      expect(await under.cluster.glance(jobName)).toMatchObject({
        listing: { name: jobName, state: "complete" },
        metadata: { uid, labels: metadata?.labels },
      });
      expect(await under.cluster.glance("no-such-job")).toBeUndefined();
    });

    test("ends a running Job: its pod goes, the Job stays as failed by its deadline", async () => {
      const { jobName, uid } = await created("sleep 60", "runs");
      await isRunning(jobName);
      await under.cluster.end(jobName, uid);
      await reaches(jobName, "failed");
      expect(await failure(jobName)).toMatchObject({ reason: "DeadlineExceeded" });
      await vi.waitFor(async () => expect(await under.cluster.pods(jobName)).toEqual([]), PATIENCE);
    });

    test("takes the pod of a running Job away when it is suspended, and holds no failure against it", async () => {
      const { jobName } = await created("sleep 60", "runs");
      await isRunning(jobName);
      await under.hands.suspend(jobName, true);
      await reaches(jobName, "suspended");
      await vi.waitFor(async () => expect(await under.cluster.pods(jobName)).toEqual([]), PATIENCE);
      expect(await stateOf(jobName)).toBe("suspended");
    });

    test("leaves a suspended Job suspended when it is ended", async () => {
      const { jobName, uid } = await created("exit 0", "runs", { suspend: true });
      await reaches(jobName, "suspended");
      await under.cluster.end(jobName, uid);
      expect((await under.cluster.get(jobName))?.spec).toMatchObject({ suspend: true, activeDeadlineSeconds: 1 });
      expect(await stateOf(jobName)).toBe("suspended");
    });

    test("ends a suspended Job for good without its ever getting a pod, and its TTL takes it", async () => {
      const { jobName, uid } = await created("exit 0", "runs", { suspend: true });
      await reaches(jobName, "suspended");
      const job = await under.cluster.get(jobName);
      if (!job) throw new Error("the Job is gone");
      await under.cluster.endSuspended({ metadata: { ...job.metadata, uid: randomUUID() } });
      expect(await stateOf(jobName)).toBe("suspended");
      await under.cluster.endSuspended(job);
      await reaches(jobName, "failed");
      expect(await failure(jobName)).toMatchObject({ reason: "DeadlineExceeded" });
      const ended = await under.cluster.get(jobName);
      expect(ended?.status).not.toHaveProperty("failed");
      const madePods = (await under.cluster.events("Job", jobName)).filter(
        ({ reason }) => reason === "SuccessfulCreate",
      );
      expect(madePods).toEqual([]);
      await under.cluster.retire(jobName, uid, 2, { end: false });
      under.pass(5);
      await vi.waitFor(async () => expect(await under.cluster.get(jobName)).toBeUndefined(), PATIENCE);
    });

    test("leaves a suspended Job that a queue holds to the queue, and wants no pod of it", async () => {
      const { jobName } = await created("exit 0", "runs", { suspend: true });
      await under.hands.label(jobName, { "kueue.x-k8s.io/queue-name": "team" });
      await reaches(jobName, "suspended");
      const job = await under.cluster.get(jobName);
      if (job) await under.cluster.endSuspended(job);
      expect((await under.cluster.get(jobName))?.spec).toMatchObject({ suspend: true, parallelism: 0 });
      await under.hands.suspend(jobName, false);
      await reaches(jobName, "failed");
      expect(await under.cluster.pods(jobName)).toEqual([]);
    });

    test("retires a finished Job: it leaves the lists at once, and the cluster, with its pod, after its TTL", async () => {
      const { jobName, uid } = await created("exit 0", { exitCode: 0 });
      await reaches(jobName, "complete");
      await under.cluster.retire(jobName, uid, 4, { end: false });
      expect(await stateOf(jobName)).toBeUndefined();
      const job = await under.cluster.get(jobName);
      expect(job?.metadata?.labels?.["ion/retired"]).toBe("true");
      expect(job?.spec?.activeDeadlineSeconds).toBeUndefined();
      under.pass(5);
      await vi.waitFor(async () => expect(await under.cluster.get(jobName)).toBeUndefined(), PATIENCE);
      await vi.waitFor(async () => expect(await under.cluster.pods(jobName)).toEqual([]), PATIENCE);
    });

    test("ends a Job that still runs when it is retired, with the same patch", async () => {
      const { jobName, uid } = await created("sleep 60", "runs");
      await isRunning(jobName);
      await under.cluster.retire(jobName, uid, 3_600, { end: true });
      await vi.waitFor(
        async () => expect(await failure(jobName)).toMatchObject({ reason: "DeadlineExceeded" }),
        PATIENCE,
      );
      expect((await under.cluster.get(jobName))?.spec?.ttlSecondsAfterFinished).toBe(3_600);
    });

    test("neither ends nor retires a Job that isn't the one meant, or is gone", async () => {
      const { jobName } = await created("sleep 60", "runs");
      await isRunning(jobName);
      const other = randomUUID();
      await under.cluster.end(jobName, other);
      await under.cluster.retire(jobName, other, 0, { end: true });
      const job = await under.cluster.get(jobName);
      expect(job?.spec?.activeDeadlineSeconds).toBeUndefined();
      expect(job?.metadata?.labels?.["ion/retired"]).toBeUndefined();
      await under.cluster.end("no-such-job", other);
      await under.cluster.retire("no-such-job", other, 0, { end: true });
      await under.hands.deleteJob(jobName);
    });

    test("lists the Jobs that a person wants cancelled, retired ones too", async () => {
      const { jobName } = await created("exit 0", { exitCode: 0 });
      const { jobName: retired, uid } = await created("exit 1", { exitCode: 1 });
      const { jobName: untouched } = await created("exit 0", { exitCode: 0 });
      await reaches(retired, "failed");
      await under.cluster.retire(retired, uid, 3_600, { end: false });
      for (const name of [jobName, retired]) await under.hands.label(name, { "ion/cancel": "true" });
      const cancelled = await under.cluster.listCancelled();
      expect(cancelled).toEqual(expect.arrayContaining([jobName, retired]));
      expect(cancelled).not.toContain(untouched);
    });

    test("gives the end of a log, cut to the bytes asked for", async () => {
      const command = "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done";
      const lines = Array.from({ length: 500 }, (_, index) => `line ${index + 1}\n`).join("");
      const { jobName } = await created(command, { exitCode: 0 }, {}, lines);
      await reaches(jobName, "complete");
      const [pod] = await under.cluster.pods(jobName);
      const log = await under.cluster.log(pod?.metadata?.name ?? "", "main", 100);
      expect(Buffer.from(log ?? []).toString()).toBe(lines.slice(-100));
      const whole = await under.cluster.log(pod?.metadata?.name ?? "", "main", 100_000);
      expect(Buffer.from(whole ?? []).toString()).toBe(lines);
    });

    test("has no log for a pod that isn't there", async () => {
      expect(await under.cluster.log("no-such-pod-abcde", "main", 100)).toBeUndefined();
    });

    test("has a uid that stays the same", async () => {
      const uid = await under.cluster.namespaceUid();
      expect(uid).toMatch(/./);
      expect(await under.cluster.namespaceUid()).toBe(uid);
    });

    test("can be used", async () => {
      await expect(under.cluster.verify()).resolves.toBeUndefined();
    });
  });
}

function withoutLabels(job: V1Job): V1Job {
  return { ...job, metadata: { name: job.metadata?.name ?? "" } };
}
