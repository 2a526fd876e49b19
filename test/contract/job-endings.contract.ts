import type { V1Job } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { judgeEnd } from "../../shared/jobs/judge-end.ts";
import { judgeStart, looksStuck, type StartJudgement } from "../../shared/jobs/judge-start.ts";
import type { JobCluster } from "../../shared/ports/job-cluster.ts";
import type { AttemptEnd, Hold } from "../../shared/run/run.ts";
import { NEEDS_ADMISSION } from "../support/forbid-skips.ts";
import { COMPLETED, FAILED, main, NEVER_STARTS, WITHOUT_SECRET, wanting } from "./job-endings.ts";
import {
  buildJob,
  type ClusterUnderTest,
  type JobOptions,
  jobUser,
  PATIENCE,
  type StartCluster,
} from "./job-harness.ts";

const START_TIMEOUT_MS = 60_000;
/** This is longer than any wait that does not count against an attempt. */
const IN_THE_END_MS = 600_000;

/** The quota leaves room for one Job and for no pod. */
const ADMISSION = { quota: { "count/jobs.batch": "1", pods: "0" }, deniedModule: "denied" };

type Conclusion = "absent" | "succeeded" | { readonly ended: AttemptEnd } | StartJudgement;

/**
 * What the Dispatcher concludes about a Job from everything that the port tells about it, so long after its pod's
 * start, or after the Job's creation if that is all there is. `before`: what an earlier look found. It never compares
 * the clocks of two machines.
 */
async function conclude(
  cluster: JobCluster,
  jobName: string,
  afterMs: number,
  before?: Pick<Hold, "cause" | "since">,
): Promise<Conclusion> {
  const job = await cluster.get(jobName);
  if (job === undefined) return "absent";
  if (job.status?.conditions?.some(({ type, status }) => type === "Complete" && status === "True")) return "succeeded";
  const pods = await cluster.pods(jobName);
  const ending = judgeEnd(job, pods);
  if (ending) return { ended: ending };
  const began = [job.metadata?.creationTimestamp, ...pods.map(({ status }) => status?.startTime)];
  const now = Math.max(...began.map((time) => time?.getTime() ?? 0)) + afterMs;
  const [pod] = pods;
  const events = pod ? await cluster.events("Pod", pod.metadata?.name ?? "") : await cluster.events("Job", jobName);
  return judgeStart({ job, pods, events, before, now, startTimeoutMs: START_TIMEOUT_MS });
}

/**
 * Checks how Jobs end, or never start, and what the Dispatcher concludes. A real cluster and a stand-in have to agree.
 * `lacks` are the marks of the cases that a stand-in can't play.
 */
export function describeJobEndings(name: string, start: StartCluster, lacks: readonly string[] = []): void {
  describe(`how a Job ends: ${name}`, { timeout: 90_000 }, () => {
    let under: ClusterUnderTest;
    beforeAll(async () => {
      under = await start();
    }, 90_000);
    afterAll(() => under.close());

    const { created, stateOf, reaches, podStatusOf, isRunning, failure, logOf } = jobUser(() => under);
    const aJob = (pod: JobOptions["pod"] = {}, options: JobOptions = {}): V1Job =>
      buildJob(under.instance, "exit 0", { ...options, pod });
    const concluded = (jobName: string, afterMs = 0, before?: Pick<Hold, "cause" | "since">) =>
      conclude(under.cluster, jobName, afterMs, before);
    const unlessLacking = (marked: string) => ({ skip: lacks.some((mark) => marked.includes(mark)) });

    for (const { name: title, pod, plays } of COMPLETED)
      test.concurrent(`is complete: ${title}`, unlessLacking(title), async () => {
        const { jobName } = await created(aJob(pod), plays, "done\n");
        await reaches(jobName, "complete");
        expect(await concluded(jobName)).toBe("succeeded");
        expect(await logOf(jobName)).toBe("done\n");
        expect(await podStatusOf(jobName)).toBeUndefined();
        const { status } = (await under.cluster.get(jobName)) ?? {};
        expect(status?.completionTime).toBeInstanceOf(Date);
        const conditions = status?.conditions?.map(({ type }) => type) ?? [];
        expect(conditions.indexOf("SuccessCriteriaMet")).toBeLessThan(conditions.indexOf("Complete"));
      });

    for (const given of FAILED)
      test.concurrent(`fails: ${given.name}`, unlessLacking(given.name), async () => {
        const { plays, logs } = given;
        const { jobName, uid } = await created(aJob(given.pod), plays, Object.values(logs).find(Boolean));
        await given.meanwhile?.(under, { jobName, uid, podName: await isRunning(jobName) });
        await reaches(jobName, "failed");
        expect(await failure(jobName)).toMatchObject({ status: "True", reason: given.because });
        expect(await concluded(jobName)).toEqual({ ended: given.end });
        expect(await podStatusOf(jobName)).toBeUndefined();
        expect((await under.cluster.get(jobName))?.status?.completionTime).toBeUndefined();
        const podsLeft = given.podGoes ? 0 : 1;
        await vi.waitFor(async () => expect(await under.cluster.pods(jobName)).toHaveLength(podsLeft), PATIENCE);
        const containers = Object.keys(logs);
        const said = await Promise.all(containers.map((container) => logOf(jobName, container)));
        expect(Object.fromEntries(containers.map((container, index) => [container, said[index]]))).toEqual(logs);
      });

    for (const given of NEVER_STARTS)
      test.concurrent(`never starts: ${given.name}`, unlessLacking(given.name), async () => {
        const { shows, says, startFault: cause } = given;
        await given.given?.(under.hands);
        const { jobName } = await created(aJob(given.pod), given.plays);
        const detail = expect.stringMatching(says);
        const stuck = { reason: "JobNotStarted", kind: "failure", permanent: false, detail, startFault: cause };
        const inTheEnd = () => concluded(jobName, IN_THE_END_MS, { cause, since: 0 });
        await vi.waitFor(async () => expect(await inTheEnd()).toEqual({ stuck }), PATIENCE);
        const isOfContainer = ["image", "configuration", "command"].includes(cause);
        const held = { cause, since: expect.any(Number), detail };
        const atFirst = given.atOnce ? { stuck } : isOfContainer ? { held } : { waiting: detail };
        expect(await concluded(jobName)).toEqual(atFirst);
        expect(await stateOf(jobName)).toBe("active");
        const shown = await podStatusOf(jobName);
        expect(shown).toMatch(shows);
        // A look at the Job itself is worth its cost only if it helps before the start timeout.
        expect(looksStuck(shown ?? "")).toBe(isOfContainer);
        expect(await logOf(jobName)).toBe(given.log);
      });

    test.concurrent("is absent: a Job that a person deletes", async () => {
      const { jobName } = await created(aJob(main("sleep 60")), "runs");
      await isRunning(jobName);
      await under.hands.deleteJob(jobName);
      await vi.waitFor(async () => expect(await concluded(jobName)).toBe("absent"), PATIENCE);
      expect(await stateOf(jobName)).toBeUndefined();
    });

    test.concurrent("waits while it is suspended, without a pod, and runs once it is resumed", async () => {
      const { jobName } = await created(aJob({}, { suspend: true }), "runs");
      await reaches(jobName, "suspended");
      expect(await concluded(jobName, IN_THE_END_MS)).toEqual({ waiting: "suspended" });
      expect(await under.cluster.pods(jobName)).toEqual([]);
      await under.hands.suspend(jobName, false);
      under.play(jobName, { exitCode: 0 });
      await reaches(jobName, "complete");
      expect(await concluded(jobName)).toBe("succeeded");
    });

    test.concurrent("runs once the Secret that it waits for is there", async () => {
      const { jobName } = await created(aJob(wanting("secretKeyRef", "late", "word")), WITHOUT_SECRET);
      const detail = 'main can\'t start (CreateContainerConfigError): secret "late" not found';
      const held = { cause: "configuration", since: expect.any(Number), detail };
      await vi.waitFor(async () => expect(await concluded(jobName)).toEqual({ held }), PATIENCE);
      await under.hands.createSecret("late", { word: "here" });
      under.play(jobName, { exitCode: 0 }, "here\n");
      await reaches(jobName, "complete");
      expect(await concluded(jobName)).toBe("succeeded");
      expect(await logOf(jobName)).toBe("here\n");
    });

    test.concurrent(
      `never gets a pod: a ServiceAccount that is missing ${NEEDS_ADMISSION}`,
      unlessLacking(NEEDS_ADMISSION),
      async () => {
        const job = aJob({ serviceAccountName: "no-such-account" });
        await under.cluster.create(job);
        const jobName = job.metadata?.name ?? "";
        const said = /^no pod after \d+ min: .*serviceaccount "no-such-account" not found/;
        const stuck = expect.objectContaining({ reason: "JobNotStarted", detail: expect.stringMatching(said) });
        await vi.waitFor(async () => expect(await concluded(jobName, IN_THE_END_MS)).toEqual({ stuck }), PATIENCE);
        expect(await stateOf(jobName)).toBe("active");
        expect(await under.cluster.pods(jobName)).toEqual([]);
      },
    );
  });

  describe.skipIf(lacks.includes(NEEDS_ADMISSION))(`how a Job is held back ${NEEDS_ADMISSION}: ${name}`, () => {
    let under: ClusterUnderTest;
    beforeAll(async () => {
      under = await start(ADMISSION);
    }, 90_000);
    afterAll(() => under.close());

    const aJob = () => buildJob(under.instance, "exit 0", {});

    test("waits, however long, for a quota on pods", async () => {
      const job = aJob();
      expect((await under.cluster.create(job)).kind).toBe("created");
      const jobName = job.metadata?.name ?? "";
      const detail = expect.stringMatching(/exceeded quota: .*pods=1/);
      const held = { cause: "pod-quota", since: expect.any(Number), detail };
      const concluded = () => conclude(under.cluster, jobName, IN_THE_END_MS);
      await vi.waitFor(async () => expect(await concluded()).toEqual({ held }), PATIENCE);
      expect(await under.cluster.pods(jobName)).toEqual([]);
    });

    test("isn't created if a quota on Jobs is full", async () => {
      await under.cluster.create(aJob());
      const message = expect.stringMatching(/exceeded quota: .*count\/jobs\.batch=1/);
      expect(await under.cluster.create(aJob())).toEqual({ kind: "quota", message });
    });

    test("is refused with the policy's words if a policy denies it", async () => {
      const job = aJob();
      job.metadata = { ...job.metadata, labels: { ...job.metadata?.labels, "ion/module": ADMISSION.deniedModule } };
      const message = expect.stringMatching(/denied request: no such work here$/);
      expect(await under.cluster.create(job)).toEqual({ kind: "refused", message });
    });
  });
}
