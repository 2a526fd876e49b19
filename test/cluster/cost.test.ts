import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { accessOf, type DispatcherUnderTest, startDispatcher } from "./dispatcher-under-test.ts";
import { type FailingProxy, type ProxiedRequest, startFailingProxy } from "./failing-proxy.ts";
import { sh } from "./module-files.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { letGo, runningPod, UNTIL_LET_GO } from "./pods.ts";

const LARGE = { filler: "x".repeat(15_000) };
/** Lists differ by a few bytes, because they contain the ages of Jobs and pods, and names of different lengths. */
const FEW_BYTES = 50;

interface Asked extends ProxiedRequest {
  readonly bytes: number;
}

let proxy: FailingProxy;
let app: DispatcherUnderTest;
const asked: Asked[] = [];

beforeAll(async () => {
  const admin = new KubeConfig();
  admin.loadFromFile(inject("kubeconfig"));
  proxy = await startFailingProxy(accessOf(admin), (request, { bytes }) => asked.push({ ...request, bytes }));
  app = await startDispatcher({
    through: proxy.access,
    modules: {
      flaky: {
        retry: { maxAttempts: 3, backoff: { first: "1s", max: "1s" } },
        worker: sh('[ "$DISPATCHER_ATTEMPT" = 3 ]'),
      },
      quick: { worker: sh("echo done") },
      long: { worker: sh(UNTIL_LET_GO) },
    },
  });
});
afterAll(async () => {
  await app?.close();
  await proxy?.close();
});

/** The requests of a whole tick while nothing happens, without those of the watch beside it. */
async function askedByTick(): Promise<readonly Asked[]> {
  const tick = () => app.log.until(({ message }) => message === "reconciled", app.log.position());
  await tick();
  const before = asked.length;
  await tick();
  return asked.slice(before).filter(({ path }) => !path.includes("watch="));
}

function bytesOf(requests: readonly Asked[]): number {
  return requests.reduce((sum, { bytes }) => sum + bytes, 0);
}

test("each attempt costs one create and one patch", async () => {
  const sent = await app.send("flaky");
  expect(await outcomeOf(sent)).toMatchObject({ status: "succeeded", attempt: 3, failures: 2 });
  const jobs = await Promise.all([1, 2, 3].map((attempt) => sent.job(attempt)));
  const changes = asked.filter(({ method, path }) => method !== "GET" && !/dryRun|selfsubject/i.test(path));
  const named = changes.map(({ method, path, body }) => {
    const name = jobs.find((job) => path.endsWith(`/${job}`) || body.includes(`"name":"${job}"`));
    return `${method} ${name}`;
  });
  expect(named.toSorted()).toEqual(jobs.flatMap((job) => [`PATCH ${job}`, `POST ${job}`]).toSorted());
});

test("a tick asks for the namespace and the same three light lists, whatever the history and the bodies weigh", async () => {
  const small = await app.send("long");
  const smallPod = await runningPod(app, await small.job());
  const before = await askedByTick();
  expect(before.map(({ method, path }) => `${method} ${path.replace(/\?.*/, "")}`).toSorted()).toEqual([
    `GET /api/v1/namespaces/${app.namespace}`,
    `GET /api/v1/namespaces/${app.namespace}/pods`,
    `GET /apis/batch/v1/namespaces/${app.namespace}/jobs`,
    `GET /apis/batch/v1/namespaces/${app.namespace}/jobs`,
  ]);
  await letGo(app, smallPod);
  expect(await outcomeOf(small)).toEqual(AT_ONCE);
  const history = await Promise.all([1, 2, 3].map(() => app.send("quick", { body: LARGE })));
  for (const sent of history) expect(await outcomeOf(sent)).toEqual(AT_ONCE);

  const large = await app.send("long", { body: LARGE });
  const largePod = await runningPod(app, await large.job());
  const after = await askedByTick();
  expect(after).toHaveLength(before.length);
  expect(Math.abs(bytesOf(after) - bytesOf(before))).toBeLessThan(FEW_BYTES);
  await letGo(app, largePod);
  expect(await outcomeOf(large)).toEqual(AT_ONCE);
});
