import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { defaultCacheRoot, startCluster, stopCluster } from "../../real-cluster/cluster.ts";
import { readRecord } from "../../real-cluster/cluster-record.ts";
import { expiringIn } from "../../real-cluster/service-account.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { type DispatcherUnderTest, type Sent, startDispatcher } from "./dispatcher-under-test.ts";
import { sh } from "./module-files.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { letGo, runningPod, UNTIL_LET_GO } from "./pods.ts";

const cacheRoot = defaultCacheRoot(process.env);
const name = `stops-${randomUUID().slice(0, 8)}`;
/** Each of these ticks waits for an answer for 10 or 15 s. */
const TICKS_IN_VAIN = 5;

describe.skipIf(!inject("ownsCluster"))(`a cluster's API server ${NEEDS_OWN_CLUSTER}`, () => {
  let app: DispatcherUnderTest;
  let apiServer: number;
  let tokenKey: string;

  beforeAll(async () => {
    const assets = process.env["KUBEBUILDER_ASSETS"] || undefined;
    const { kubeconfig, directory } = await startCluster({ name, cacheRoot, assets, isOwned: true, say: () => {} });
    tokenKey = await readFile(join(directory, "keys", "service-accounts.key"), "utf8");
    const record = await readRecord(directory);
    apiServer = record?.processes.find((part) => part.name === "kube-apiserver")?.pid ?? 0;
    const once = { maxAttempts: 1 };
    app = await startDispatcher({
      kubeconfig,
      modules: {
        long: { retry: once, worker: sh(UNTIL_LET_GO) },
        short: { retry: once, worker: sh("sleep 20; echo done") },
      },
    });
  });
  afterAll(async () => {
    await app?.close();
    await stopCluster(name, cacheRoot);
  });

  test("stops for a minute and comes back: what ended meanwhile counts, and what came meanwhile runs", async () => {
    const [long, short] = [await app.send("long"), await app.send("short")];
    const podName = await runningPod(app, await long.job());
    await runningPod(app, await short.job());
    let since = app.log.position();
    process.kill(apiServer, "SIGSTOP");
    let during: Sent;
    try {
      during = await app.send("short");
      for (let tick = 0; tick < TICKS_IN_VAIN; tick += 1) {
        const line = await app.log.until(({ message }) => message === "reconcile is held up", since);
        // Only the first may be light, which asks which cluster it is. After it, the watch is not trusted, and each lists.
        const asked = tick === 0 ? "(listing .*|reading which cluster it is)" : "listing .*";
        expect(line["why"]).toMatch(
          new RegExp(`can't be used just now, ${asked}: no (answer within 15000 ms|connection)`),
        );
        since = app.log.lines().indexOf(line) + 1;
      }
      expect(await long.run()).toMatchObject({ status: "dispatched", attempt: 1 });
      expect([await app.letters("long"), await app.letters("short")]).toEqual([0, 0]);
    } finally {
      process.kill(apiServer, "SIGCONT");
    }
    expect(await outcomeOf(short)).toEqual(AT_ONCE);
    expect(await outcomeOf(during)).toEqual(AT_ONCE);
    await letGo(app, podName);
    expect(await outcomeOf(long)).toEqual(AT_ONCE);
  });

  test("no longer takes the Dispatcher's token, which expired: everything waits until the file has another", async () => {
    await app.stopApp();
    await writeFile(app.files.token, expiringIn(30, await app.account.token(), tokenKey));
    await app.startApp();
    const long = await app.send("long");
    const podName = await runningPod(app, await long.job());
    const since = app.log.position();
    const line = await app.log.until(({ message }) => message === "reconcile is held up", since);
    expect(line["why"]).toMatch(/answered 401 Unauthorized: .* Renew the token or certificate/);
    const during = await app.send("short");
    await letGo(app, podName);
    await app.log.until(({ message }) => message === "reconcile is held up", app.log.position());
    expect(await long.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    await writeFile(app.files.token, await app.account.token());
    expect(await outcomeOf(long)).toEqual(AT_ONCE);
    expect(await outcomeOf(during)).toEqual(AT_ONCE);
  });

  test("has no kubeconfig to be reached by: the app says so, and does not start", async () => {
    await app.stopApp();
    await rm(app.files.kubeconfig);
    await expect(app.startApp()).rejects.toThrow(/kubeconfig .* can't be read/);
  });
});
