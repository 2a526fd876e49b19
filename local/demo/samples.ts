import { createHash } from "node:crypto";
import type { ServiceBusMessage } from "@azure/service-bus";
import type { Reason } from "../../shared/run/reasons.ts";
import type { Source } from "../../shared/run/source.ts";

/** A message that the demo sends, and the expected end of its run. */
export interface Sample {
  readonly title: string;
  readonly source: Source;
  readonly message: ServiceBusMessage;
  readonly expect: {
    /** The module that takes it. Missing if no module fits it. */
    readonly module?: string;
    readonly outcome: "completed" | "dead-lettered";
    /** The dead-letter reason. */
    readonly reason?: Reason;
    /** How many Jobs its run has. */
    readonly attempts: number;
  };
  /** Whether the Job's pod fetches the body from storage over the network. */
  readonly needsStorage?: boolean;
}

const GREETINGS: Source = { queue: "greetings" };
const CHORES: Source = { queue: "chores" };
const FILES: Source = { queue: "files" };

/**
 * The messages of a topic that a subscription takes, by the subscription's path. A subscription that isn't named takes
 * every message.
 */
export const SUBSCRIPTION_FILTERS: Readonly<Record<string, { readonly subject: string }>> = {
  "orders/audit": { subject: "order.placed" },
};

export const SAMPLES: readonly Sample[] = [
  {
    title: "succeeds",
    source: GREETINGS,
    message: { messageId: "greet-ada", contentType: "application/json", body: json({ name: "Ada" }) },
    expect: { module: "greet", outcome: "completed", attempts: 1 },
  },
  {
    title: "succeeds on attempt 2",
    source: CHORES,
    message: { messageId: "exit-1-then-0", subject: "chore.exit", body: text("1 0") },
    expect: { module: "exit-codes", outcome: "completed", attempts: 2 },
  },
  {
    title: "fails all its attempts",
    source: CHORES,
    message: { messageId: "exit-1-always", subject: "chore.exit", body: text("1 1 1") },
    expect: { module: "exit-codes", outcome: "dead-lettered", reason: "JobFailed", attempts: 3 },
  },
  {
    title: "exits with a permanent code",
    source: CHORES,
    message: { messageId: "exit-64", subject: "chore.exit", body: text("64 0") },
    expect: { module: "exit-codes", outcome: "dead-lettered", reason: "JobFailed", attempts: 1 },
  },
  {
    title: "times out",
    source: CHORES,
    message: { messageId: "ten-minutes", subject: "chore.slow", body: text("ten minutes") },
    expect: { module: "too-slow", outcome: "dead-lettered", reason: "JobTimedOut", attempts: 1 },
  },
  {
    title: "breaks its schema",
    source: GREETINGS,
    message: { messageId: "greet-nobody", contentType: "application/json", body: json({ nome: "Ada" }) },
    expect: { module: "greet", outcome: "dead-lettered", reason: "DispatchRejected", attempts: 0 },
  },
  {
    title: "fits no module",
    source: CHORES,
    message: { messageId: "whose-is-this", subject: "chore.unknown", body: text("anybody?") },
    expect: { outcome: "dead-lettered", reason: "DispatchRejected", attempts: 0 },
  },
  {
    title: "arrives by a topic subscription",
    source: { topic: "orders", subscription: "audit" },
    message: {
      messageId: "order-4711",
      subject: "order.placed",
      contentType: "application/json",
      body: json({ order: 4711, total: 12.5 }),
      applicationProperties: { region: "eu" },
    },
    expect: { module: "audit", outcome: "completed", attempts: 1 },
  },
  {
    title: "has a body of 200 KB",
    source: FILES,
    message: withChecksum(
      "large-body",
      bytes(200 * 1024, (index) => 97 + (index % 26)),
    ),
    expect: { module: "checksum", outcome: "completed", attempts: 1 },
    needsStorage: true,
  },
  {
    title: "has a binary body",
    source: FILES,
    message: withChecksum(
      "binary-body",
      bytes(1024, (index) => index % 256),
    ),
    expect: { module: "checksum", outcome: "completed", attempts: 1 },
  },
  {
    title: "runs prepare, worker and commit",
    source: { queue: "reports" },
    message: { messageId: "report-2026", contentType: "text/plain", body: text("quarterly figures") },
    expect: { module: "report", outcome: "completed", attempts: 1 },
  },
  // The sender chooses the id, so two messages with one id are two runs.
  ...["Grace", "Alan"].map(
    (name): Sample => ({
      title: `shares its id with another (${name})`,
      source: GREETINGS,
      message: { messageId: "greet-twins", contentType: "application/json", body: json({ name }) },
      expect: { module: "greet", outcome: "completed", attempts: 1 },
    }),
  ),
];

// The body is sent as bytes, because the client would wrap text in JSON.
function text(content: string): Buffer {
  return Buffer.from(content);
}

function json(content: unknown): Buffer {
  return Buffer.from(JSON.stringify(content));
}

function bytes(length: number, at: (index: number) => number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => at(index)));
}

function withChecksum(messageId: string, body: Buffer): ServiceBusMessage {
  const sha256 = createHash("sha256").update(body).digest("hex");
  return { messageId, contentType: "application/octet-stream", body, applicationProperties: { sha256 } };
}
