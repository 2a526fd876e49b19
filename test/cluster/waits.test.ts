import { randomUUID } from "node:crypto";
import { BatchV1Api, SchedulingV1Api } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogLine } from "./app-log.ts";
import { type DispatcherUnderTest, startDispatcher } from "./dispatcher-under-test.ts";
import { restricted, sh } from "./module-files.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { letGo, podsOf, runningPod, UNTIL_LET_GO } from "./pods.ts";
import { setQuota } from "./set-quota.ts";

const ONCE = { maxAttempts: 1 };
const PRIORITY = `counted-${randomUUID().slice(0, 8)}`;

/** A Job whose pods the quota on pods counts. */
function counted(script: string): object {
  const spec = { priorityClassName: PRIORITY, containers: [restricted("worker", script)] };
  return { retry: ONCE, startTimeout: "5s", jobTemplate: { spec: { template: { spec } } } };
}

let app: DispatcherUnderTest;
beforeAll(async () => {
  app = await startDispatcher({
    modules: {
      long: { retry: ONCE, worker: sh(UNTIL_LET_GO) },
      quick: { retry: ONCE, worker: sh("echo done") },
      "counted-long": counted(UNTIL_LET_GO),
      "counted-quick": counted("echo done"),
    },
  });
  await app.admin
    .makeApiClient(SchedulingV1Api)
    .createPriorityClass({ body: { metadata: { name: PRIORITY }, value: 0 } });
});
afterAll(async () => {
  await app?.admin
    .makeApiClient(SchedulingV1Api)
    .deletePriorityClass({ name: PRIORITY })
    .catch(() => {});
  await app?.close();
});

describe("a message waits for a quota, burns no attempt, and runs when the quota frees:", () => {
  test("on pods", async () => {
    const first = await app.send("counted-long");
    const podName = await runningPod(app, await first.job());
    const scopeSelector = {
      matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: [PRIORITY] }],
    };
    await setQuota(app, "pods", { hard: { pods: "1" }, scopeSelector }, ["1"]);

    const second = await app.send("counted-quick");
    const jobName = await second.job();
    const isHeldUp = (line: LogLine) => line.message === "a job can't start yet" && line["jobName"] === jobName;
    expect((await app.log.until(isHeldUp))["why"]).toMatch(/exceeded quota: /);
    expect(await second.run()).toMatchObject({ status: "dispatched", attempt: 1, heldUpBy: "pod-quota" });
    expect(await podsOf(app, jobName)).toEqual([]);
    await letGo(app, podName);
    expect(await outcomeOf(first)).toEqual(AT_ONCE);
    expect(await outcomeOf(second)).toEqual(AT_ONCE);
  });

  test("on Jobs", async () => {
    const batch = app.admin.makeApiClient(BatchV1Api);
    const { namespace } = app;
    const first = await app.send("long");
    const jobName = await first.job();
    const { items } = await batch.listNamespacedJob({ namespace });
    const hard = String(items.length);
    await setQuota(app, "jobs", { hard: { "count/jobs.batch": hard } }, [hard]);

    const since = app.log.position();
    const second = await app.send("quick");
    const isWaiting = ({ message, messageId }: LogLine) =>
      message === "waiting for quota" && messageId === second.messageId;
    expect((await app.log.until(isWaiting, since))["why"]).toMatch(
      /exceeded quota: jobs, requested: count\/jobs\.batch=1/,
    );
    await letGo(app, await runningPod(app, jobName));
    expect(await outcomeOf(first)).toEqual(AT_ONCE);
    expect(await second.run()).toMatchObject({ status: "waiting", attempt: 1, failures: 0 });
    // Finished Jobs count until they are gone.
    await app.hands.deleteJob(jobName);
    expect(await outcomeOf(second)).toEqual(AT_ONCE);
  });
});
