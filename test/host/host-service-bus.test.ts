import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient, type ServiceBusMessage } from "@azure/service-bus";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { loadApp } from "../../host/core-api.ts";
import { type Host, type HostOptions, startHost } from "../../host/host.ts";
import { readHostJson } from "../../host/host-json.ts";
import { makeHostLog } from "../../host/host-log.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { offeredDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import { buildFixtureApp } from "../support/build-fixture-app.ts";

/** The state that the fixture apps in this process share with the tests. */
interface Shared {
  readonly calls: { body: unknown; metadata: Record<string, unknown>; traceContext: { traceParent: string } }[];
  running: number;
  most: number;
  behave: (body: unknown, metadata: Record<string, unknown>) => unknown;
}
declare global {
  // oxlint-disable-next-line no-var -- a global that the fixture apps find by name
  var shared: Shared;
}

/** The shortest lock that the service allows, by which the host renews. */
const LOCK_MS = 5_000;
const QUEUES = [
  "metadata",
  "throws",
  "returns",
  "renews",
  "completes",
  "offers",
  "settles",
  "recycles",
  "left",
  "lives-on",
  "concurrent",
  "outage",
  "stops",
];
/** How long thousands of messages may take on a busy machine. */
const LONG_MS = 60_000;
const log = makeHostLog(() => {});
let directory: string;
let broker: LocalBroker;
let client: ServiceBusClient;
let hosts: Host[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "host-bus-test-"));
  broker = await startBroker({
    entities: {
      queues: QUEUES.map((name) => ({ name, lockDurationMs: name === "left" ? 60_000 : LOCK_MS })),
      topics: [{ name: "orders", subscriptions: [{ name: "audit", lockDurationMs: LOCK_MS }] }],
    },
  });
  client = new ServiceBusClient(broker.connectionString);
});
afterAll(async () => {
  await client.close();
  await broker.close();
  await rm(directory, { recursive: true, force: true });
});
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop(5_000)));
  hosts = [];
});

async function start(
  name: string,
  binding: Record<string, unknown>,
  options: Partial<HostOptions> = {},
): Promise<Host> {
  globalThis.shared = { calls: [], running: 0, most: 0, behave: () => undefined };
  const source = `
    import { app, trigger } from "@azure/functions";
    app.generic("take", {
      trigger: trigger.generic(${JSON.stringify({ type: "serviceBusTrigger", connection: "ServiceBus", ...binding })}),
      handler: async (body, context) => {
        shared.calls.push({ body, metadata: context.triggerMetadata, traceContext: context.traceContext });
        shared.running += 1; shared.most = Math.max(shared.most, shared.running);
        try { return await shared.behave(body, context.triggerMetadata); } finally { shared.running -= 1; }
      },
    });`;
  const app = await loadApp(await buildFixtureApp(directory, name, source), log.system);
  const host = await startHost({
    app,
    hostJson: await readHostJson("host.json"),
    settings: { ServiceBus: broker.connectionString },
    port: 0,
    log,
    ...options,
  });
  hosts.push(host);
  return host;
}

async function send(entity: string, messages: ServiceBusMessage | ServiceBusMessage[]): Promise<void> {
  // Sends with a client of its own, because a client that is just losing its connection when it sends never recovers.
  const sending = new ServiceBusClient(broker.connectionString);
  await sending.createSender(entity).sendMessages(messages);
  await sending.close();
}

/** Makes invocations wait. Returns a function that releases the last one. */
function untilReleased(): () => void {
  const release = { now: (): void => undefined };
  shared.behave = () =>
    new Promise<void>((resolve) => {
      release.now = resolve;
    });
  return () => release.now();
}

/** The delivery of this lock token, as the host offers it to the app. */
function offered(lockToken: unknown) {
  const delivery = offeredDeliveries()?.get(String(lockToken));
  if (delivery === undefined) throw new Error("the host does not offer this delivery");
  return delivery;
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => ({ body: Buffer.from(String(index)) }));
const held = (entity: string) => broker.counts()[entity];

describe("a Service Bus trigger", () => {
  test("hands over bytes and metadata as the real host does", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await start("metadata", { queueName: "metadata", dataType: "binary", autoCompleteMessages: true });
    await send("metadata", {
      messageId: "id-1",
      subject: "s",
      correlationId: "c",
      contentType: "application/json",
      body: Buffer.from([0, 255, 128]),
      applicationProperties: { Region: "eu", traceparent },
    });
    await vi.waitFor(() => expect(shared.calls).toHaveLength(1), 5_000);
    const [call] = shared.calls;
    expect(call?.body).toEqual(Buffer.from([0, 255, 128]));
    expect(call?.metadata).toMatchObject({
      messageId: "id-1",
      sequenceNumber: 1,
      deliveryCount: 1,
      subject: "s",
      label: "s",
      correlationId: "c",
      contentType: "application/json",
    });
    expect(call?.metadata["lockToken"]).toMatch(/^[\da-f-]{36}$/);
    expect(call?.metadata["enqueuedTimeUtc"]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+$/);
    expect(call?.metadata["enqueuedTime"]).toMatch(/\+00:00$/);
    expect(call?.metadata["applicationProperties"]).toMatchObject({ region: "eu" });
    expect(call?.traceContext.traceParent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-/);
  });

  test("hands over parsed JSON if the binding asks for no bytes, and listens at a subscription", async () => {
    await start(
      "subscription",
      { topicName: "%TOPIC%", subscriptionName: "audit", autoCompleteMessages: true },
      {
        settings: { ServiceBus: broker.connectionString, TOPIC: "orders" },
      },
    );
    await send("orders", { body: { order: 1 } });
    await vi.waitFor(() => expect(shared.calls.map(({ body }) => body)).toEqual([{ order: 1 }]), 5_000);
    await vi.waitFor(() => expect(held("orders/subscriptions/audit")).toMatchObject({ active: 0 }), 5_000);
  });

  test("abandons a message at once if its function throws", async () => {
    await start("throws", { queueName: "throws", autoCompleteMessages: false });
    const times: number[] = [];
    shared.behave = () => {
      times.push(Date.now());
      throw new Error("no");
    };
    await send("throws", { body: "x" });
    await vi.waitFor(() => expect(times.length).toBeGreaterThan(2), 5_000);
    expect((times[2] ?? 0) - (times[0] ?? 0)).toBeLessThan(LOCK_MS / 2);
    expect(shared.calls[2]?.metadata["deliveryCount"]).toBe(3);
  });

  test("leaves a message alone whose function returns without settling it, and gets it again when its lock has lapsed", async () => {
    await start("returns", { queueName: "returns", autoCompleteMessages: false });
    const times: number[] = [];
    shared.behave = () => times.push(Date.now());
    await send("returns", { body: "x" });
    await vi.waitFor(() => expect(times).toHaveLength(2), 3 * LOCK_MS);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(LOCK_MS * 0.8);
  });

  test("renews the lock while the function runs", { timeout: 30_000 }, async () => {
    await start("renews", { queueName: "renews", autoCompleteMessages: true });
    const finish = untilReleased();
    await send("renews", { body: "x" });
    await vi.waitFor(() => expect(shared.running).toBe(1), 5_000);
    const lapsesAt = Date.now() + 1.5 * LOCK_MS;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(lapsesAt), 2 * LOCK_MS);
    finish();
    await vi.waitFor(() => expect(held("renews")).toMatchObject({ active: 0 }), 5_000);
    expect(shared.calls).toHaveLength(1);
  });

  test("completes and abandons neighbours each by its own outcome", async () => {
    await start("completes", { queueName: "completes", autoCompleteMessages: true });
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    shared.behave = async (body, { deliveryCount }) => {
      // All of them end in one tick of the event loop, in the order of their numbers, so that outcomes alternate.
      if (shared.running === 16) open();
      await gate;
      for (let step = 0; step < Number(body) * 200; step += 1) await Promise.resolve();
      if (Number(body) % 2 === 1 && deliveryCount === 1) throw new Error("odd");
    };
    await send("completes", numbered(16));
    await vi.waitFor(() => expect(shared.calls).toHaveLength(16 + 8), 5_000);
    await vi.waitFor(() => expect(held("completes")).toMatchObject({ active: 0 }), 5_000);
  });

  test("offers a delivery as long as its function runs: the message as it came, and its settlement", async () => {
    await start("offers", { queueName: "offers", autoCompleteMessages: false });
    const finish = untilReleased();
    const when = new Date(5);
    await send("offers", { messageId: "1e3", body: Buffer.from([255]), applicationProperties: { TenantId: 7, when } });
    await vi.waitFor(() => expect(shared.calls).toHaveLength(1), 5_000);
    const lockToken = shared.calls[0]?.metadata["lockToken"];
    const { message, defer } = offered(lockToken);
    expect(message).toMatchObject({ messageId: "1e3", applicationProperties: { TenantId: 7, when } });
    expect(message.body).toEqual(Buffer.from([255]));
    await defer({ owner: "me" });
    expect(held("offers")).toMatchObject({ active: 0, deferred: 1 });
    finish();
    await vi.waitFor(() => expect(() => offered(lockToken)).toThrow("does not offer"), 5_000);
  });

  test("settles neighbours each by its own outcome and with its own stamp, though all are settled at once", async () => {
    await start("settles", { queueName: "settles", autoCompleteMessages: false });
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    shared.behave = async (body, { lockToken }) => {
      if (shared.running === 15) open();
      await gate;
      const delivery = offered(lockToken);
      const number = Number(body);
      if (number % 3 === 0) await delivery.complete();
      if (number % 3 === 1) await delivery.defer({ stamp: number });
      if (number % 3 === 2)
        await delivery.deadLetter({
          deadLetterReason: `reason ${number}`,
          deadLetterErrorDescription: "",
          stamp: number,
        });
    };
    await send("settles", numbered(15));
    await vi.waitFor(() => expect(held("settles")).toMatchObject({ active: 0, deferred: 5, deadLettered: 5 }), 5_000);
    const deferred = await client.createReceiver("settles").peekMessages(20);
    const letters = await client.createReceiver("settles", { subQueueType: "deadLetter" }).peekMessages(20);
    const stamps = [...deferred, ...letters].map(({ body, applicationProperties }) => [
      Number(String(body)) % 3 === 0 ? undefined : Number(String(body)),
      applicationProperties?.["stamp"],
    ]);
    expect(stamps.map(([own]) => own)).toEqual(stamps.map(([, stamp]) => stamp));
    for (const { body, deadLetterReason } of letters) expect(deadLetterReason).toBe(`reason ${String(body)}`);
  });

  test("runs no more than maxConcurrentCalls at once, across a change of receivers too", async () => {
    await start("concurrent", { queueName: "concurrent", autoCompleteMessages: true }, { deliveriesAfterUnsettled: 5 });
    shared.behave = () => new Promise((resolve) => setTimeout(resolve, 5));
    await send("concurrent", numbered(100));
    await vi.waitFor(() => expect(shared.calls).toHaveLength(100), 10_000);
    expect(shared.most).toBe(16);
  });

  test("takes each of 3,000 messages once though the function settles them over another link", {
    timeout: 2 * LONG_MS,
  }, async () => {
    await start("recycles", { queueName: "recycles", autoCompleteMessages: false });
    const elsewhere = client.createReceiver("recycles");
    shared.behave = (_, { lockToken }) => {
      const message = { lockToken, delivery: {} };
      // @ts-expect-error -- the app settles by bare token too
      return elsewhere.deferMessage(message);
    };
    await send("recycles", numbered(3_000));
    await vi.waitFor(() => expect(held("recycles")).toMatchObject({ deferred: 3_000 }), LONG_MS);
    expect(new Set(shared.calls.map(({ body }) => body)).size).toBe(3_000);
    expect(shared.calls).toHaveLength(3_000);
    await elsewhere.close();
  });

  test("takes each of 3,000 messages once though the first is left, and does not settle that one", {
    timeout: 2 * LONG_MS,
  }, async () => {
    const receivers = vi.spyOn(ServiceBusClient.prototype, "createReceiver");
    await start("left", { queueName: "left", autoCompleteMessages: false });
    shared.behave = (body, { lockToken }) => (body === 0 ? undefined : offered(lockToken).complete());
    await send("left", numbered(3_000));
    await vi.waitFor(() => expect(new Set(shared.calls.map(({ body }) => body)).size).toBe(3_000), LONG_MS);
    await vi.waitFor(() => expect(held("left")).toMatchObject({ active: 1 }), 5_000);
    expect(shared.calls).toHaveLength(3_000);
    expect(receivers).toHaveBeenCalledTimes(2);
    receivers.mockRestore();
  });

  test("keeps a link on which every delivery is settled", { timeout: 2 * LONG_MS }, async () => {
    const receivers = vi.spyOn(ServiceBusClient.prototype, "createReceiver");
    await start("lives-on", { queueName: "lives-on", autoCompleteMessages: false });
    shared.behave = (_body, { lockToken }) => offered(lockToken).complete();
    await send("lives-on", numbered(3_000));
    await vi.waitFor(() => expect(held("lives-on")).toMatchObject({ active: 0 }), LONG_MS);
    expect(shared.calls).toHaveLength(3_000);
    expect(receivers).toHaveBeenCalledTimes(1);
    receivers.mockRestore();
  });

  test("listens again when the broker was away", async () => {
    await start("outage", { queueName: "outage", autoCompleteMessages: true });
    await send("outage", { body: "before" });
    await vi.waitFor(() => expect(shared.calls).toHaveLength(1), 5_000);
    await broker.stop();
    await broker.start();
    await send("outage", { body: "after" });
    await vi.waitFor(() => expect(shared.calls.map(({ body }) => body)).toContain("after"), 15_000);
  });

  test("lets a running invocation end when it is stopped, and takes no new work", async () => {
    const host = await start("stops", { queueName: "stops", autoCompleteMessages: true });
    const finish = untilReleased();
    await send("stops", { body: "x" });
    await vi.waitFor(() => expect(shared.running).toBe(1), 5_000);
    const stopped = host.stop(10_000);
    await send("stops", { body: "y" });
    finish();
    await stopped;
    expect(shared.calls).toHaveLength(1);
    expect(held("stops")).toMatchObject({ active: 1 });
  });
});
