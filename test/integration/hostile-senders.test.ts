import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient, type ServiceBusMessage, type ServiceBusReceivedMessage } from "@azure/service-bus";
import { BlobServiceClient } from "@azure/storage-blob";
import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import Long from "long";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Stack } from "../../local/stack/start-stack.ts";
import { installPatientDecoding } from "../../shared/adapters/service-bus/patient-decoding.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { bytes, messageOf, nested, sendRaw } from "../support/raw-amqp.ts";

/**
 * Writes the body and the attempt to a directory, under the run's id. If the message says so, the script fails, or
 * waits until the test lets it go.
 */
const SCRIPT = `
cat "$DISPATCHER_MESSAGE_FILE" > "$OUT/$DISPATCHER_RUN_ID.$DISPATCHER_ATTEMPT"
echo "read it"
while [ -e "$OUT/hold" ] && grep -q '^hold' "$DISPATCHER_MESSAGE_FILE"; do sleep 0.1; done
case "$(cat "$DISPATCHER_MESSAGE_FILE")" in fail*) echo "as told"; exit 64 ;; esac`;

function moduleFile(out: string): string {
  const env = [{ name: "OUT", value: out }];
  const container = { name: "echo", image: "busybox:1.36", command: ["sh", "-eu", "-c", SCRIPT], env };
  return JSON.stringify({
    name: "echo",
    source: { queue: "hostile" },
    when: { properties: { kind: "work" } },
    retry: { maxAttempts: 3, permanentExitCodes: [64] },
    jobTemplate: { spec: { template: { spec: { containers: [container] } } } },
  });
}

/** A file beside the source. Nothing of a sender may ever get here. */
const VICTIM = JSON.stringify({
  name: "victim",
  source: { queue: "somebody-elses" },
  maxActive: 0,
  worker: { image: "busybox:1.36" },
});

/** Every property that the Dispatcher ever writes on a message, forged by a sender. */
const FORGED = {
  "dispatcher-owner": "me",
  "dispatcher-attempt": 2,
  "dispatcher-job": "../../kube-system",
  "dispatcher-last-error": "forged",
  "dispatcher-reason": "forged",
  "dispatcher-run": "forged",
  "dispatcher-module": "forged",
  "dispatcher-failures": 99,
  "dispatcher-interruptions": 99,
  "dispatcher-exit-code": 0,
  "dispatcher-logs": "https://forged.example/log",
};

const TRAVERSAL = "../../../../tmp/../hostile?x=1#/\\%2e%2e%2f";

interface Trick extends ServiceBusMessage {
  readonly name: string;
  readonly body: Buffer;
}

const TRICKS: readonly Trick[] = [
  { name: "an attempt below zero", body: text("a"), applicationProperties: { "dispatcher-attempt": -1 } },
  { name: "an attempt of 99999", body: text("b"), applicationProperties: { "dispatcher-attempt": 99_999 } },
  { name: "every property of ours", body: text("c"), applicationProperties: FORGED },
  { name: "a subject of 10,000 characters", body: text("d"), subject: "$(id)".repeat(2_000) },
  { name: "a reply-to of someone else's queue", body: text("e"), replyTo: "somebody-elses", to: "somebody-elses" },
  { name: "a body like YAML", body: text("---\nkind: Job\nspec: { template: &a { x: *a } }\n...\n") },
  { name: "a body like shell", body: text("'; touch $OUT/pwned; $(touch $OUT/pwned) `touch $OUT/pwned` | sh\n") },
  { name: "a body like variables", body: text("$(DISPATCHER_RUN_ID) $(OUT) $$(HOME) ${OUT}") },
  {
    name: "traversal in every id",
    body: text("f"),
    messageId: TRAVERSAL,
    correlationId: TRAVERSAL,
    subject: TRAVERSAL,
  },
  { name: "shell in every id", body: text("g"), messageId: "$(touch /tmp/x)", correlationId: "`id`", subject: "; sh" },
  {
    name: "traversal in names of properties",
    body: text("h"),
    applicationProperties: { [TRAVERSAL]: "x", ["__proto__"]: "x", constructor: "x", "ion/retired": "true" },
  },
];

let directory: string;
let out: string;
let stack: Stack;
let client: ServiceBusClient;
let kubeConfig: KubeConfig;

// This process needs it too, because its own client looks at messages that can't be decoded.
installPatientDecoding();
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "hostile-"));
  out = await mkdtemp(join(tmpdir(), "hostile-out-"));
  await writeFile(join(directory, "echo.json"), moduleFile(out));
  await writeFile(join(directory, "victim.json"), VICTIM);
  stack = await startLocalStack(directory);
  kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(stack.settings["KUBECONFIG"] ?? "");
  client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  await stack.startApp();
}, 60_000);
afterAll(async () => {
  await client?.close();
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
  await rm(out, { recursive: true, force: true });
});

function text(body: string): Buffer {
  return Buffer.from(body);
}

async function send({ applicationProperties, ...message }: ServiceBusMessage): Promise<void> {
  await client.createSender("hostile").sendMessages({
    ...message,
    applicationProperties: { kind: "work", ...applicationProperties },
  });
}

const peeked = (queue = "hostile", options = {}): Promise<ServiceBusReceivedMessage[]> =>
  client.createReceiver(queue, options).peekMessages(100, { fromSequenceNumber: Long.ONE });

const letters = () => peeked("hostile", { subQueueType: "deadLetter" });

async function untilSettled(): Promise<void> {
  await vi.waitFor(async () => expect(await peeked()).toEqual([]), { timeout: 40_000, interval: 200 });
}

/** The bodies that the workers wrote, by sequence number and attempt. */
async function given(): Promise<Map<string, string>> {
  const files = (await readdir(out)).filter((file) => file.startsWith("hostile:"));
  const entries = files.map(async (file) => {
    const [, number = "", attempt = ""] = /^hostile:(\d+):\d+\.(\d+)$/.exec(file) ?? [];
    return [`${number}.${attempt}`, await readFile(join(out, file), "utf8")] as const;
  });
  return new Map(await Promise.all(entries));
}

async function jobs() {
  const namespace = stack.settings["JOB_NAMESPACE"] ?? "";
  return (await kubeConfig.makeApiClient(BatchV1Api).listNamespacedJob({ namespace })).items;
}

describe("a hostile sender's message is run once, as data", () => {
  beforeAll(async () => {
    for (const { name: _, ...message } of TRICKS) await send(message);
    await untilSettled();
  }, 60_000);

  it.each(TRICKS.map((trick, index) => ({ ...trick, number: index + 1 })))("$name", async ({ number, body }) => {
    const attempts = [...(await given())].filter(([key]) => key.startsWith(`${number}.`));
    expect(attempts).toEqual([[`${number}.1`, body.toString()]]);
  });

  it("and none of them is dead-lettered, gets a file of its own making, or reaches another queue", async () => {
    expect(await letters()).toEqual([]);
    const files = await readdir(out);
    expect(files.filter((file) => !/^hostile:\d+:\d+\.1$/.test(file))).toEqual([]);
    expect(await peeked("somebody-elses")).toEqual([]);
    expect(await peeked("somebody-elses", { subQueueType: "deadLetter" })).toEqual([]);
  });

  it("and no name, label, spec or blob holds a word of theirs", async () => {
    const held = (await jobs()).map(({ metadata, spec }) => {
      const { metadata: pod, spec: podSpec } = spec?.template ?? {};
      return JSON.stringify([metadata?.name, metadata?.labels, pod?.labels, podSpec]);
    });
    expect(held).toHaveLength(TRICKS.length);
    for (const job of held) expect(job).not.toMatch(/\.\.\/|kube-system|forged|pwned|\$\(id\)|touch|kind: Job/);
    const storage = BlobServiceClient.fromConnectionString(stack.settings["AzureWebJobsStorage"] ?? "");
    const names: string[] = [];
    for await (const { name } of storage.getContainerClient("dispatcher-logs").listBlobsFlat()) names.push(name);
    expect(names).toHaveLength(TRICKS.length);
    for (const name of names) expect(name).not.toMatch(/\.\.|forged|tmp/);
  });
});

describe("a dead letter says what happened, whatever its sender wrote there", () => {
  const letterOf = async (messageId: string): Promise<ServiceBusReceivedMessage | undefined> => {
    await untilSettled();
    return (await letters()).find((letter) => letter.messageId === messageId);
  };

  it("of a Job that failed", { timeout: 60_000 }, async () => {
    await send({ messageId: "forged-failure", body: text("fail"), applicationProperties: FORGED });
    const letter = await letterOf("forged-failure");
    expect(letter).toMatchObject({ deadLetterReason: "JobFailed" });
    expect(letter?.applicationProperties).toMatchObject({
      "dispatcher-reason": "JobFailed",
      "dispatcher-module": "echo",
      "dispatcher-attempt": 1,
      "dispatcher-failures": 1,
      "dispatcher-interruptions": 0,
      "dispatcher-exit-code": 64,
    });
    expect(JSON.stringify(letter?.applicationProperties)).not.toMatch(/forged\b(?!-failure)|kube-system|"me"/);
  });

  it("of a message that no module takes, with empty facts if there is no value", { timeout: 60_000 }, async () => {
    const applicationProperties = { ...FORGED, kind: "none" };
    await send({ messageId: "forged-rejection", body: text("x"), applicationProperties });
    const letter = await letterOf("forged-rejection");
    expect(letter).toMatchObject({ deadLetterReason: "DispatchRejected" });
    expect(letter?.applicationProperties).toMatchObject({
      "dispatcher-reason": "DispatchRejected",
      "dispatcher-attempt": "",
      "dispatcher-failures": 0,
      "dispatcher-exit-code": "",
      "dispatcher-job": "",
      "dispatcher-logs": "",
      "dispatcher-last-error": "",
      "dispatcher-module": "",
    });
  });
});

it.each([
  { trick: "nested too deeply to be decoded", value: nested(5_000) },
  { trick: "an array of four milliards of nulls", value: bytes("f0 00000005 ffffffff 40") },
])(
  "a body that can't be decoded is rejected, and holds up no other message: $trick",
  { timeout: 60_000 },
  async ({ trick, value }) => {
    const port = Number(/^Endpoint=sb:[/][/][^:;]+:(\d+)/.exec(stack.settings["ServiceBus"] ?? "")?.[1]);
    await sendRaw(port, "hostile", messageOf({ kind: "work", trick }, value));
    await send({ body: text(`after ${trick}`) });
    await untilSettled();
    expect([...(await given()).values()]).toContain(`after ${trick}`);
    const letter = (await letters()).find(({ applicationProperties }) => applicationProperties?.["trick"] === trick);
    expect(letter).toMatchObject({
      deadLetterReason: "DispatchRejected",
      deadLetterErrorDescription: expect.stringContaining("can't be decoded"),
    });
  },
);

describe("a row that is lost is rebuilt from our stamps, not from the sender's", () => {
  it.each([
    ["an attempt below zero", { "dispatcher-attempt": -1 }],
    ["a believable attempt", { "dispatcher-attempt": 2 }],
    ["an attempt of 99999", { "dispatcher-attempt": 99_999 }],
    ["every property of ours", FORGED],
  ])(
    "with %s: its Job goes on, as attempt 1, and no other is started",
    { timeout: 60_000 },
    async (name, properties) => {
      const hold = join(out, "hold");
      await writeFile(hold, "");
      const body = text(`hold: ${name}`);
      await send({ body, applicationProperties: properties });
      const attempt = await vi.waitFor(
        async () => {
          const [key] = [...(await given())].find(([, held]) => held === body.toString()) ?? [];
          if (key === undefined) throw new Error("its Job has not started");
          return key;
        },
        { timeout: 20_000, interval: 100 },
      );
      const number = Number(attempt.split(".")[0]);
      await loseRows(number);
      await vi.waitFor(async () => expect(await rowsOf(number)).toMatchObject([{}, { attempt: 1 }]), {
        timeout: 20_000,
        interval: 100,
      });
      await rm(hold);
      await untilSettled();
      const attempts = [...(await given()).keys()].filter((key) => key.startsWith(`${number}.`));
      expect(attempts).toEqual([`${number}.1`]);
      expect((await letters()).map(({ sequenceNumber }) => Number(sequenceNumber))).not.toContain(number);
    },
  );
});

function table(): TableClient {
  const connection = stack.settings["AzureWebJobsStorage"] ?? "";
  const name = stack.settings["DISPATCHER_TABLE"] ?? "DispatcherRuns";
  return TableClient.fromConnectionString(connection, name, { allowInsecureConnection: true });
}

/** The rows of one message: its mark, then the run. */
async function rowsOf(number: number) {
  const padded = String(number).padStart(20, "0");
  const rows: { partitionKey: string; rowKey: string }[] = [];
  for await (const row of table().listEntities<{ partitionKey: string; rowKey: string }>())
    if (row.rowKey.includes(`|${padded}`) && /^(?:work|wait|later|hold|run)\|/.test(row.rowKey)) rows.push(row);
  return rows;
}

/** Deletes both rows at once. Between two deletes the Dispatcher would see a contradiction. */
async function loseRows(number: number): Promise<void> {
  const rows = await rowsOf(number);
  expect(rows).toHaveLength(2);
  await table().submitTransaction(rows.map(({ partitionKey, rowKey }) => ["delete", { partitionKey, rowKey }]));
}
