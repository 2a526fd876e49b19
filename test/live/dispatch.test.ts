import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { untilReady } from "../../local/stack/readiness.ts";
import { type Stack, startStack } from "../../local/stack/start-stack.ts";
import { makeNamespace, type TestNamespace } from "../cluster/namespace.ts";
import { type LiveBus, openLiveBus } from "./live-bus.ts";
import { describeLive, type LiveSettings, liveEnvironment, readLiveSettings } from "./live-settings.ts";

const found = readLiveSettings();
const kubeconfig = liveEnvironment()["TEST_KUBECONFIG"];
const settings: LiveSettings =
  found.kind === "azure" && !kubeconfig
    ? { kind: "none", why: "set TEST_KUBECONFIG to the kubeconfig of a cluster for tests" }
    : found;
/** An image with a shell that any cluster can pull. */
const IMAGE = liveEnvironment()["TEST_IMAGE"] || "busybox:1.36";

describe.skipIf(settings.kind === "none")(`the whole, ${describeLive(settings)}`, () => {
  let directory: string;
  let bus: LiveBus;
  let namespace: TestNamespace | undefined;
  let stack: Stack | undefined;
  const lines: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "dispatcher-live-"));
    bus = await openLiveBus(settings);
  });
  afterAll(async () => {
    await stack?.stop();
    await namespace?.remove();
    await bus?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Chooses where the Jobs run. Without a kubeconfig they run as processes, which needs the local bus. */
  async function cluster(): Promise<ClusterChoice> {
    if (!kubeconfig) return { kind: "stand-in" };
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    namespace = await makeNamespace(config, `dispatcher-live-${randomUUID().slice(0, 8)}`);
    return { kind: "kubeconfig", file: resolve(kubeconfig), namespace: namespace.name };
  }

  test("a message of a real namespace becomes a Job on a real cluster, and ends as the Job did", async () => {
    const source = await bus.freshQueue();
    const queue = "queue" in source ? source.queue : "";
    const worker = { image: IMAGE, command: ["sh", "-c", 'exit "$(cat "$DISPATCHER_MESSAGE_FILE")"'] };
    const module = { name: "live", source, retry: { maxAttempts: 2, backoff: { first: "1s", max: "1s" } }, worker };
    await writeFile(join(directory, "live.yaml"), stringify(module));
    stack = await startStack({
      modulesDir: directory,
      cluster: await cluster(),
      filters: {},
      settings: bus.appSettings,
      env: neededEnvironment(process.env),
      onLine: (_part, line) => lines.push(line),
    });
    const app = await stack.startApp();
    expect(await untilReady(`http://127.0.0.1:${String(app.ready["port"])}`, 60_000)).toEqual([]);

    // The local stack has a broker of its own for its modules' queues.
    const local = stack.settings["ServiceBus"];
    const client = local === undefined ? bus.user.client : new ServiceBusClient(local);
    const sender = client.createSender(queue);
    for (const code of ["0", "3"]) await sender.sendMessages({ messageId: `exit-${code}`, body: Buffer.from(code) });
    await vi.waitFor(
      () => {
        const said = lines.join("\n");
        expect(said).toMatch(/closed a run.*"messageId":"exit-0".*"outcome":"succeeded"/);
        expect(said).toMatch(/closed a run.*"messageId":"exit-3".*"outcome":"failed"/);
      },
      { timeout: 240_000, interval: 250 },
    );
    const deadLetters = client.createReceiver(queue, { subQueueType: "deadLetter" });
    const found = await deadLetters.peekMessages(10);
    expect(found.map(({ messageId, deadLetterReason }) => ({ messageId, deadLetterReason }))).toEqual([
      { messageId: "exit-3", deadLetterReason: "JobFailed" },
    ]);
    if (client !== bus.user.client) await client.close();
  });
});
