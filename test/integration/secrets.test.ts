import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import Long from "long";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { SecretSearch } from "../../local/kit/secret-search.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { ROOT, type Running, runProgram } from "../support/run-program.ts";

/** The planted secrets, which only the pod may ever see. The search also covers the servers' own keys and tokens. */
const PLANTED = {
  body: "canary-body-9f2c",
  property: "canary-property-71ab",
  contentType: "canary-content-type-5d0e",
  busKey: "canary-bus-key-8e1f",
};

/**
 * Reads its message. If the message says so, it prints the URL of its body, which is a secret, as its last words, and
 * fails.
 */
const SCRIPT = `
case "$DISPATCHER_MESSAGE_ID" in
  *fails*) echo "can't work with \${DISPATCHER_MESSAGE_URL-}"; exit 22 ;;
esac`;

const MODULE = {
  name: "canary",
  source: { queue: "canaries" },
  schema: { type: "object", properties: { size: { type: "integer" } } },
  retry: { maxAttempts: 2, backoff: { first: "500ms", max: "500ms" } },
  jobTemplate: {
    spec: {
      template: {
        spec: { containers: [{ name: "main", image: "busybox:1.36", command: ["sh", "-eu", "-c", SCRIPT] }] },
      },
    },
  },
};

const BODIES: Readonly<Record<string, object>> = {
  small: { note: PLANTED.body },
  "small-fails": { note: PLANTED.body },
  large: { note: PLANTED.body, filler: "x".repeat(30_000) },
  "large-fails": { note: PLANTED.body, filler: "x".repeat(30_000) },
  "breaks-the-schema": { size: PLANTED.body },
};

let directory: string;
let stack: Stack;
let app: Running;
let client: ServiceBusClient;
let kubeConfig: KubeConfig;
const partLines: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "secrets-"));
  await writeFile(join(directory, "canary.json"), JSON.stringify(MODULE));
  stack = await startLocalStack(directory, {
    busKey: PLANTED.busKey,
    onLine: (_, line) => void partLines.push(line),
  });
  kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(stack.settings["KUBECONFIG"] ?? "");
  app = startApp();
  client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  const sender = client.createSender("canaries");
  for (const [messageId, body] of Object.entries(BODIES))
    await sender.sendMessages({
      messageId,
      body: Buffer.from(JSON.stringify(body)),
      contentType: PLANTED.contentType,
      applicationProperties: { tenant: PLANTED.property },
    });
  await untilAllAreSettled();
}, 120_000);
afterAll(async () => {
  app?.child.kill("SIGKILL");
  await client?.close();
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

const peeked = (options = {}) =>
  client.createReceiver("canaries", options).peekMessages(100, { fromSequenceNumber: Long.ONE });

function untilAllAreSettled(): Promise<void> {
  return vi.waitFor(
    async () => {
      const left = await peeked();
      if (left.length > 0)
        throw new Error(`${left.length} messages are not settled. The app said: ${app.said.stderr.slice(-3_000)}`);
    },
    { timeout: 60_000, interval: 250 },
  );
}

/** Starts the app in its host. The test can read everything that the app writes. */
function startApp(): Running {
  const args = [
    "--app",
    join(ROOT, "dist", "functions", "index.js"),
    "--host-json",
    join(ROOT, "host.json"),
    "--port",
    "0",
  ];
  return runProgram("host", {
    args,
    env: { ...neededEnvironment(process.env), ...stack.settings },
  });
}

/** The names of the planted secrets, and of the servers' own keys and tokens, in a text. */
function secretsIn(text: string): readonly string[] {
  const search = new SecretSearch({
    ...PLANTED,
    token: kubeConfig.getCurrentUser()?.token ?? "",
    storageKey: /AccountKey=([^;]+)/.exec(stack.settings["AzureWebJobsStorage"] ?? "")?.[1] ?? "",
  });
  return search.find(text)?.names ?? [];
}

// The proof (`npm run prove`) searches rows, dead letters, Jobs and blobs.
describe("after messages of every kind, no body, key, token, signature or property value", () => {
  it("is missed by the search: the pods' annotations hold them, and each message ended as it should", async () => {
    const { items } = await kubeConfig.makeApiClient(BatchV1Api).listNamespacedJob({ namespace: namespace() });
    const held = secretsIn(JSON.stringify(items.map(({ spec }) => spec?.template.metadata?.annotations)));
    expect(new Set(held)).toEqual(new Set(["body", "property", "contentType", "the signature of a URL"]));
    const letters = await peeked({ subQueueType: "deadLetter" });
    expect(
      letters.map(({ messageId, deadLetterReason }) => `${String(messageId)} ${deadLetterReason}`).toSorted(),
    ).toEqual(["breaks-the-schema DispatchRejected", "large-fails JobFailed", "small-fails JobFailed"]);
  });

  it("is in a line of the app, not even while everything that it needs is away", { timeout: 120_000 }, async () => {
    for (const name of ["cluster", "storage", "broker"]) {
      const before = app.said.stderr.length;
      await stack.parts.find((part) => part.name === name)?.stop();
      await vi.waitFor(() => expect(app.said.stderr.slice(before)).toMatch(/ (?:warning|error) /), {
        timeout: 40_000,
        interval: 100,
      });
    }
    app.child.kill("SIGTERM");
    await app.ended;
    expect(app.said.stderr).toContain('"message":"closed a run"');
    expect(app.said.stderr).toContain("can't work with");
    expect(app.said.stderr).toContain("The Kubernetes API server");
    expect(secretsIn(`${app.said.stdout}\n${app.said.stderr}`)).toEqual([]);
    // The servers' own output has none either.
    expect(secretsIn(partLines.join("\n"))).toEqual([]);
  });
});

function namespace(): string {
  return stack.settings["JOB_NAMESPACE"] ?? "";
}
