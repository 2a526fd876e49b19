import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalCluster, startCluster } from "../../local/cluster/start-cluster.ts";
import { type DispatcherUnderTest, type Sent, startDispatcher } from "./dispatcher-under-test.ts";
import { sh } from "./module-files.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { runningPod } from "./pods.ts";

/** So few missing Jobs would be believed to be gone: only the namespace's uid tells that this is another cluster. */
const AT_WORK = 2;

let app: DispatcherUnderTest;
/** An empty cluster, which never runs Jobs. */
let empty: LocalCluster;
let directory: string;

beforeAll(async () => {
  app = await startDispatcher({ modules: { work: { retry: { maxAttempts: 1 }, worker: sh("sleep 30; echo done") } } });
  directory = await mkdtemp(join(tmpdir(), "empty-cluster-"));
  empty = await startCluster({ directory, namespace: app.namespace, uid: "empty", stub: true });
});
afterAll(async () => {
  await app?.close();
  await empty?.close();
  await rm(directory, { recursive: true, force: true });
});

async function restartWith(change: () => Promise<void>): Promise<void> {
  await app.stopApp();
  await change();
  await app.startApp();
}

test("a kubeconfig that points at an empty cluster settles and starts nothing, and everything goes on when it points back", async () => {
  const sent: Sent[] = [];
  for (let count = 0; count < AT_WORK; count += 1) sent.push(await app.send("work"));
  for (const one of sent) await runningPod(app, await one.job());

  const { kubeconfig } = app.files;
  const since = app.log.position();
  await restartWith(async () => {
    await copyFile(kubeconfig, join(directory, "right"));
    await copyFile(empty.kubeconfigPath, kubeconfig);
  });
  const isAstray = (runs: number) => (line: Readonly<Record<string, unknown>>) =>
    line["message"] === "reconciled" && JSON.stringify(line["waiting"]).includes(`"wrong-cluster":${runs}`);
  await app.log.until(isAstray(AT_WORK), since);
  expect(app.log.lines(since).map(({ message }) => message)).toContain(
    "saw another cluster than the jobs are in; nothing is started, judged or retired",
  );
  sent.push(await app.send("work"));
  await app.log.until(isAstray(AT_WORK + 1), since);
  for (const one of sent) expect(await one.run()).toMatchObject({ attempt: 1, failures: 0, interruptions: 0 });
  expect(await app.letters("work")).toBe(0);
  const there = new KubeConfig();
  there.loadFromFile(empty.kubeconfigPath);
  const { items } = await there.makeApiClient(BatchV1Api).listNamespacedJob({ namespace: app.namespace });
  expect(items).toEqual([]);

  await restartWith(() => copyFile(join(directory, "right"), kubeconfig));
  for (const one of sent) {
    expect(await outcomeOf(one)).toEqual(AT_ONCE);
  }
});
