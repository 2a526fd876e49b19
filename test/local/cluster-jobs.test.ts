// oxlint-disable typescript/no-unsafe-type-assertion -- What the server answers is what these tests are about.
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { isAlive } from "../support/is-alive.ts";
import { aJob, JOBS, type LocalClusterUser, PID, sh, startLocalCluster } from "../support/local-cluster.ts";

let on: LocalClusterUser;
beforeAll(async () => {
  on = await startLocalCluster();
});
afterAll(() => on.close());

describe("how a Job goes", () => {
  test("gives a resumed Job its whole deadline again", async () => {
    const name = await on.create(aJob({ containers: [sh("sleep 60")] }, { spec: { activeDeadlineSeconds: 600 } }));
    await on.podIn(name, "Running");
    const suspend = (value: boolean) => on.mergePatch(name, { spec: { suspend: value } });
    await suspend(true);
    await vi.waitFor(async () => {
      const { status } = await on.batch.readNamespacedJob({ name, namespace: "jobs" });
      expect(status?.startTime).toBeUndefined();
      expect(status?.conditions).toMatchObject([{ type: "Suspended", status: "True" }]);
    });
    await suspend(false);
    await on.podIn(name, "Running");
    const { status } = await on.batch.readNamespacedJob({ name, namespace: "jobs" });
    expect(status?.startTime).toBeInstanceOf(Date);
    expect(status?.failed).toBeUndefined();
    expect(status?.conditions).toMatchObject([{ type: "Suspended", status: "False" }]);
  });

  test("says FailureTarget while the pod of an ended Job still runs, and Failed only then", async () => {
    const seen: string[] = [];
    const podsWhileEnding: (V1Pod | undefined)[] = [];
    const name = await on.create(aJob({ containers: [sh("trap 'sleep 0.5; exit 1' TERM; echo up; sleep 60 & wait")] }));
    await vi.waitFor(async () => expect(await on.logOf(await on.podIn(name, "Running"))).toBe("up\n"));
    const watch = on.api.watch(`${JOBS}?watch=true&fieldSelector=metadata.name=${name}`);
    await on.mergePatch(name, { spec: { activeDeadlineSeconds: 1 } });
    while (!seen.includes("Failed")) {
      const { value } = await watch.events.next();
      const { object } = value as { object: V1Job };
      const types = (object.status?.conditions ?? []).map(({ type }) => type);
      seen.push(...types.filter((type) => !seen.includes(type)));
      if (types.includes("FailureTarget") && !types.includes("Failed")) podsWhileEnding.push(await on.podOf(name));
    }
    watch.close();
    expect(seen).toEqual(["FailureTarget", "Failed"]);
    expect(podsWhileEnding[0]).toBeDefined();
    expect(await on.podOf(name)).toBeUndefined();
  });

  test("says of a pod whose image is missing that it can't be pulled, and runs one when it is there", async () => {
    const missing = new Set(["example/late:1"]);
    const cluster = await startLocalCluster({ isImageMissing: (image) => missing.has(image) });
    onTestFinished(() => cluster.close());
    const create = () => cluster.create(aJob({ containers: [{ ...sh("exit 0"), image: "example/late:1" }] }));
    const early = await create();
    await vi.waitFor(async () => {
      const pod = await cluster.podOf(early);
      expect(pod?.status?.containerStatuses?.[0]?.state?.waiting).toMatchObject({
        reason: "ErrImagePull",
        message: expect.stringContaining("example/late:1"),
      });
    });
    missing.clear();
    await cluster.podIn(await create(), "Succeeded");
  });

  test("leaves a pod that asks for another node unscheduled, and runs one that asks for this", async () => {
    const asking = (nodeSelector: Record<string, string>) =>
      on.create(aJob({ containers: [sh("exit 0")], nodeSelector }));
    const away = await asking({ "kubernetes.io/os": "linux", "example.com/gpu": "yes" });
    const here = await asking({ "kubernetes.io/os": "linux" });
    await on.podIn(here, "Succeeded");
    const pod = await on.podOf(away);
    expect(pod?.status?.phase).toBe("Pending");
    expect(pod?.status?.conditions).toMatchObject([
      {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message: expect.stringContaining("didn't match Pod's node"),
      },
    ]);
  });

  test("tells what happened to a Job in the order in which it did", async () => {
    const name = await on.create(aJob({ containers: [sh("exit 1")] }));
    await on.podIn(name, "Failed");
    const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${name}`;
    await vi.waitFor(async () => {
      const { items } = await on.core.listNamespacedEvent({ namespace: "jobs", fieldSelector });
      expect(items.map(({ reason }) => reason)).toEqual(["SuccessfulCreate", "BackoffLimitExceeded"]);
    });
  });

  test("tries again while the back-off limit allows it", async () => {
    const name = await on.create(aJob({ containers: [sh("exit 1")] }, { spec: { backoffLimit: 1 } }));
    await on.podIn(name, "Failed");
    const { status } = await on.batch.readNamespacedJob({ name, namespace: "jobs" });
    expect(status?.failed).toBe(1);
    expect(status?.conditions).toBeUndefined();
    await on.batch.deleteNamespacedJob({ name, namespace: "jobs", propagationPolicy: "Background" });
  });

  test("leaves the pod running where a delete says nothing about it", async () => {
    const name = await on.create(aJob({ containers: [sh("sleep 60")] }));
    const pod = await on.podIn(name, "Running");
    expect((await on.api.ask("DELETE", `${JOBS}/${name}`)).code).toBe(200);
    expect((await on.api.ask("GET", `${JOBS}/${name}`)).code).toBe(404);
    const orphan = await on.core.readNamespacedPod({ name: pod.metadata?.name ?? "", namespace: "jobs" });
    expect(orphan.status?.phase).toBe("Running");
    expect(orphan.metadata?.ownerReferences).toBeUndefined();
    await on.core.deleteNamespacedPod({ name: pod.metadata?.name ?? "", namespace: "jobs" });
  });

  test("takes the pod along where a delete says so", async () => {
    const name = await on.create(aJob({ containers: [sh(`echo ${PID}; exec sleep 60`)] }));
    const pid = Number(await on.logOf(await on.podIn(name, "Running")));
    await on.api.ask("DELETE", `${JOBS}/${name}?propagationPolicy=Background`);
    await vi.waitFor(async () => expect(await on.podOf(name)).toBeUndefined());
    expect(isAlive(pid)).toBe(false);
  });

  test("deletes nothing where the uid is another", async () => {
    const name = await on.create(aJob({}));
    const answer = await on.api.ask("DELETE", `${JOBS}/${name}`, { body: { preconditions: { uid: "other" } } });
    expect(answer).toMatchObject({ code: 409, json: { reason: "Conflict" } });
    expect((await on.api.ask("GET", `${JOBS}/${name}`)).code).toBe(200);
  });
});
