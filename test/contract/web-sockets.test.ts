import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { generate } from "selfsigned";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { connect } from "../../host/service-bus-connections.ts";
import { startAzurite } from "../../local/azurite/start-azurite.ts";
import { listen } from "../../local/kit/listen.ts";
import { makeBlobPayloadStore } from "../../shared/adapters/blobs/payload-store.ts";
import { connect as connectToCluster } from "../../shared/adapters/kubernetes/connection.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { UnavailableError } from "../../shared/errors.ts";
import { BUS_TRANSPORT } from "../../shared/settings/bus-transport.ts";
import { aRun } from "../support/a-run.ts";
import { numberOf, tokenOf } from "../support/bus-user.ts";
import { type ConnectProxy, startConnectProxy } from "../support/connect-proxy.ts";
import { type LocalBus, startLocalQueue } from "../support/local-broker-harness.ts";
import { startWebSocketFront, type WebSocketFront } from "../support/web-socket-front.ts";

const source = { queue: "q" };
let bus: LocalBus;
let front: WebSocketFront;
let proxy: ConnectProxy;
/** The front's address as a connection string. The client takes the port from it. */
let value: string;

beforeAll(() => {
  // No authority signed the certificates.
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  // The SDK reads it once in a process.
  vi.stubEnv("NO_PROXY", "bus.excepted.example,.inside.example");
});
afterAll(() => vi.unstubAllEnvs());

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.stubEnv("HTTPS_PROXY", undefined);
  for (const close of closers.splice(0).toReversed()) await close();
});

async function open(settings: { readonly isProxied: boolean }) {
  bus = await startLocalQueue();
  front = await startWebSocketFront(bus.broker.port);
  proxy = await startConnectProxy();
  closers.push(
    () => bus.close(),
    () => front.close(),
    () => proxy.close(),
  );
  if (settings.isProxied) vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${proxy.port}`);
  value = bus.broker.connectionString.replace(/:\d+;/, `:${front.port};`);
  const broker = makeServiceBusBroker({ kind: "connectionString", value, webSockets: true }, { timeoutMs: 2_000 });
  closers.push(() => broker.close());
  return broker;
}

describe.each([
  { name: "directly", isProxied: false },
  { name: "through a proxy", isProxied: true },
])("AMQP over WebSockets, $name", ({ isProxied }) => {
  it("carries all that the adapter does", async () => {
    const broker = await open({ isProxied });
    await broker.verify(source);
    await bus.send("q", { body: Buffer.alloc(200_000, 7) });
    expect((await broker.peek(source, 1))?.body).toHaveLength(200_000);
    const receiver = bus.receiver(source);
    const message = await bus.receive(receiver);
    await broker.defer(source, tokenOf(message), { owner: "me" });
    const key = { source, sequenceNumber: numberOf(message), enqueuedAt: message.enqueuedTimeUtc?.getTime() ?? 0 };
    expect(await broker.completeDeferred(key)).toBe("done");
    expect(bus.broker.counts()["q"]).toMatchObject({ active: 0, deferred: 0, deadLettered: 0 });
    expect(front.accepted()).toBeGreaterThan(0);
    expect([...new Set(proxy.asked())]).toEqual(isProxied ? [`127.0.0.1:${front.port}`] : []);
  });

  it("works again after the connection was cut", async () => {
    const broker = await open({ isProxied });
    await broker.verify(source);
    await bus.broker.stop();
    await expect(broker.peek(source, 1)).rejects.toBeInstanceOf(UnavailableError);
    await bus.broker.start();
    await broker.peek(source, 1).catch(() => {});
    await expect(broker.peek(source, 1)).resolves.toBeUndefined();
  });

  it("brings the standalone host its deliveries", async () => {
    await open({ isProxied });
    const connections = connect({ ServiceBus: value, [BUS_TRANSPORT]: "amqpWebSockets" });
    closers.push(() => connections.close());
    await bus.send("q", { body: "x" });
    const receiver = connections.client("ServiceBus").createReceiver("q");
    const message = await bus.receive(receiver);
    expect(message.body).toBe("x");
    await receiver.completeMessage(message);
    expect(bus.broker.counts()["q"]).toMatchObject({ active: 0 });
    expect(front.accepted()).toBeGreaterThan(0);
    expect(proxy.asked().length > 0).toBe(isProxied);
  });
});

describe("a proxy in the environment", () => {
  it("is not asked for a host that NO_PROXY excepts", async () => {
    await open({ isProxied: true });
    for (const fullyQualifiedNamespace of ["bus.excepted.example", "bus.inside.example"]) {
      const credential = { getToken: async () => ({ token: "a", expiresOnTimestamp: Date.now() + 3_600_000 }) };
      const broker = makeServiceBusBroker({ kind: "identity", fullyQualifiedNamespace, credential, webSockets: true });
      closers.push(() => broker.close());
      await expect(broker.peek(source, 1)).rejects.toBeInstanceOf(UnavailableError);
    }
    expect(proxy.asked()).toEqual([]);
  });

  it("is named in the error if it refuses, or is not there", async () => {
    const broker = await open({ isProxied: true });
    proxy.refuse(407);
    const refused = broker.peek(source, 1);
    await expect(refused).rejects.toBeInstanceOf(UnavailableError);
    await expect(refused).rejects.toThrow(
      /^the WebSocket to 127\.0\.0\.1 was refused with status 407\. If HTTPS_PROXY is set, let that proxy .*password/,
    );
    vi.stubEnv("HTTPS_PROXY", "http://proxy.invalid:3128");
    const other = makeServiceBusBroker({ kind: "connectionString", value, webSockets: true });
    closers.push(() => other.close());
    await expect(other.peek(source, 1)).rejects.toThrow(
      /^the proxy proxy\.invalid does not resolve in DNS\. Set HTTPS_PROXY/,
    );
  });

  it("is not asked for the cluster", async () => {
    await open({ isProxied: true });
    const asked: string[] = [];
    const cluster = createServer(({ url = "" }, response) => {
      asked.push(url);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
    const { port, close } = await listen(cluster);
    closers.push(close);
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromClusterAndUser(
      { name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
      { name: "u", token: "t" },
    );
    const options = { timeoutMs: 5_000, userAgent: "test" };
    await connectToCluster(kubeConfig, options).json({ method: "GET", path: "/version" });
    expect(asked).toEqual(["/version"]);
    expect(proxy.asked()).toEqual([]);
  });

  it("is asked for rows and bodies", async () => {
    await open({ isProxied: true });
    const directory = await mkdtemp(join(tmpdir(), "proxied-"));
    const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    const { cert, private: key } = await generate([{ name: "commonName", value: "127.0.0.1" }]);
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    const azurite = await startAzurite({ tls: { certFile, keyFile } });
    closers.push(
      () => rm(directory, { recursive: true }),
      () => azurite.close(),
    );
    const connection = { kind: "connectionString", value: azurite.connectionString } as const;
    const given = { connection, instance: "dispatcher", clock: systemClock };
    const table = makeAzureTable({ ...given, tableName: "runs" });
    await table.insert(aRun());
    const [tables] = new Set(proxy.asked());
    expect(tables).toBe(new URL(azurite.tableEndpoint).host);
    await makeBlobPayloadStore(given).putBody(aRun(), Buffer.from("x"));
    expect(new Set(proxy.asked())).toEqual(new Set([tables, new URL(azurite.blobEndpoint).host]));
  });
});
