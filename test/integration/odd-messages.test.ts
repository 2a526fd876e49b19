import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient, type ServiceBusMessage } from "@azure/service-bus";
import Long from "long";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startLocalStack } from "../support/local-stack.ts";

/** Writes what the pod was given under the run's id: the body, and the ids as its shell sees them. */
const SCRIPT = `
printf '%s' "$DISPATCHER_MESSAGE_ID" > "$OUT/$DISPATCHER_RUN_ID.id"
cat "$DISPATCHER_PROPERTIES_FILE" > "$OUT/$DISPATCHER_RUN_ID.properties"
if [ "\${DISPATCHER_MESSAGE_FILE-}" ]; then
  cat "$DISPATCHER_MESSAGE_FILE" > "$OUT/$DISPATCHER_RUN_ID.$DISPATCHER_MESSAGE_ENCODING"
else
  printf '%s' "$DISPATCHER_MESSAGE_URL" > "$OUT/$DISPATCHER_RUN_ID.url"
fi`;

/** The module has a template, not a worker, because a worker has a /tmp of its own, below which `out` may lie. */
function moduleFile(out: string): string {
  const container = {
    name: "echo",
    image: "busybox:1.36",
    command: ["sh", "-eu", "-c", SCRIPT],
    env: [{ name: "OUT", value: out }],
  };
  return JSON.stringify({
    name: "echo",
    source: { queue: "odd" },
    retry: { maxAttempts: 1 },
    jobTemplate: { spec: { template: { spec: { containers: [container] } } } },
  });
}

interface Odd {
  readonly name: string;
  readonly message: ServiceBusMessage;
  /** Sent as an AMQP value, as JMS sends text, and not as data. */
  readonly asValue?: true;
  /** The id as the shell sees it, if that differs. */
  readonly idInShell?: string;
}

const ODD: readonly Odd[] = [
  { name: "no content type, no subject", message: { messageId: "plain", body: bytes("hello") } },
  { name: "an id of 128 characters", message: { messageId: "x".repeat(128), body: bytes("hello") } },
  { name: "an id in any script", message: { messageId: "Ω漢字🚀 \u2028\u202e é", body: bytes("hello") } },
  { name: "an id with NUL", message: { messageId: "a\0b", body: bytes("hello") }, idInShell: "a\uFFFDb" },
  { name: "an id like a variable", message: { messageId: "$(DISPATCHER_RUN_ID)$HOME`id`", body: bytes("hello") } },
  { name: "an id like a path", message: { messageId: "../../etc/passwd", body: bytes("hello") } },
  { name: "an id that is a number in JSON", message: { messageId: "1e3", body: bytes("hello") } },
  { name: "an empty body", message: { messageId: "empty", body: Buffer.alloc(0) } },
  { name: "malformed JSON", message: { messageId: "json", contentType: "application/json", body: bytes('{"a":') } },
  {
    name: "a body like YAML and shell",
    message: { messageId: "shell", body: bytes('---\n- $(rm -rf /) "`id`" ; exit 1\n') },
  },
  {
    name: "a binary body",
    message: { messageId: "binary", body: Buffer.from(Uint8Array.from({ length: 512 }, (_, i) => i % 256)) },
  },
  { name: "the text message of a JMS client", message: { messageId: "jms", body: bytes("<a>é</a>") }, asValue: true },
  { name: "a body with NUL", message: { messageId: "nul", body: bytes("a\0b") } },
  { name: "a body at the size limit", message: { messageId: "large", body: Buffer.alloc(250_000, "x") } },
  {
    name: "a subject of 10,000 characters",
    message: { messageId: "subject", subject: "s".repeat(10_000), body: bytes("x") },
  },
  {
    name: "properties of every AMQP type",
    message: {
      messageId: "types",
      body: bytes("x"),
      applicationProperties: {
        text: "t",
        TenantId: "T",
        int: 1,
        double: 1.5,
        yes: true,
        nothing: null,
        at: new Date(0),
      },
    },
  },
  {
    name: "60 KB of properties",
    message: {
      messageId: "properties",
      body: bytes("x"),
      applicationProperties: { a: "p".repeat(30_000), b: "q".repeat(30_000) },
    },
  },
  {
    name: "properties that imitate ours",
    message: {
      messageId: "forged",
      body: bytes("x"),
      applicationProperties: { "dispatcher-owner": "me", "dispatcher-attempt": 99_999, "dispatcher-job": "../x" },
    },
  },
];

describe("odd messages through the whole stack", () => {
  let directory = "";
  let out = "";
  let stack: Stack;
  let client: ServiceBusClient;
  let given: Map<string, Map<string, Buffer>>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "odd-messages-"));
    out = await mkdtemp(join(tmpdir(), "odd-messages-out-"));
    await writeFile(join(directory, "echo.json"), moduleFile(out));
    stack = await startLocalStack(directory);
    await stack.startApp();
    client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
    const sender = client.createSender("odd");
    for (const { message, asValue } of ODD) await sender.sendMessages(asValue ? ofValue(message) : message);
    await vi.waitFor(
      async () => {
        const left = await client.createReceiver("odd").peekMessages(100, { fromSequenceNumber: Long.ONE });
        if (left.length > 0) throw new Error(`${left.length} messages are not settled`);
      },
      { timeout: 40_000, interval: 500 },
    );
    given = await readGiven(out);
  }, 60_000);

  afterAll(async () => {
    await client?.close();
    await stack?.stop();
    await rm(directory, { recursive: true, force: true });
    await rm(out, { recursive: true, force: true });
  });

  it("dead-letters none of them", async () => {
    const dead = await client.createReceiver("odd", { subQueueType: "deadLetter" }).peekMessages(100);
    expect(dead.map(({ messageId, deadLetterErrorDescription }) => [messageId, deadLetterErrorDescription])).toEqual(
      [],
    );
    expect(given.size).toBe(ODD.length);
  });

  it.each(ODD.map((odd, index) => ({ ...odd, number: String(index + 1) })))(
    "hands $name to the pod as data",
    ({ message, idInShell, number }) => {
      const files = given.get(number) ?? new Map<string, Buffer>();
      expect(files.get("id")?.toString()).toBe(idInShell ?? message.messageId);
      expect(JSON.parse(files.get("properties")?.toString() ?? "")).toMatchObject({
        messageId: message.messageId,
        subject: message.subject ?? null,
      });
      const body = files.get("utf-8") ?? Buffer.from(files.get("base64")?.toString() ?? "", "base64");
      expect(files.has("url") || body.equals(message.body)).toBe(true);
    },
  );

  it("keeps the spelling of property names", () => {
    const number = String(ODD.findIndex(({ message }) => message.messageId === "types") + 1);
    expect(JSON.parse(given.get(number)?.get("properties")?.toString() ?? "")).toMatchObject({
      applicationProperties: { TenantId: "T", text: "t", at: "1970-01-01T00:00:00.000Z", nothing: null, yes: true },
    });
  });
});

function ofValue({ messageId, body }: ServiceBusMessage) {
  return { bodyType: "value", body: String(body), properties: { messageId: String(messageId) } } as const;
}

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

/** What the workers wrote, by sequence number, then by kind. */
async function readGiven(directory: string): Promise<Map<string, Map<string, Buffer>>> {
  const given = new Map<string, Map<string, Buffer>>();
  for (const file of await readdir(directory)) {
    const dot = file.lastIndexOf(".");
    const [run, kind] = [file.slice(0, dot), file.slice(dot + 1)];
    const number = run.split(":")[1] ?? "";
    const files = given.get(number) ?? new Map<string, Buffer>();
    given.set(number, files.set(kind, await readFile(join(directory, file))));
  }
  return given;
}
