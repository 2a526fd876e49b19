import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import { BlobServiceClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startAzurite } from "../../local/azurite/start-azurite.ts";
import { startBroker } from "../../local/broker/start-broker.ts";
import { startCluster } from "../../local/cluster/start-cluster.ts";
import { BareCluster, readAccess } from "../../local/kit/cluster-access.ts";
import { SecretSearch } from "../../local/kit/secret-search.ts";
import { peekBus } from "../../prove/audit/peek-bus.ts";
import type { Servers } from "../../prove/audit/read-records.ts";
import { searchLeaks } from "../../prove/audit/search-leaks.ts";
import { CANARIES } from "../../prove/stage/canaries.ts";
import { KIND_NAMES, kindOf, QUEUE, SUBSCRIPTION, TOPIC } from "../../prove/stage/kinds.ts";
import { makeSender } from "../../prove/stage/sender.ts";

const TOKEN = "token-of-the-cluster";
const SIGNED = "http://127.0.0.1/account/bodies/one?sv=2022&sig=abcdef%2Bghi%3D&se=2026";
const REASON = { deadLetterReason: "JobFailed", deadLetterErrorDescription: "exit code 1" };
const search = new SecretSearch({
  "a body": CANARIES.body,
  "a property": CANARIES.property,
  "a content type": CANARIES.contentType,
  "a token": TOKEN,
});

const cleanUps: (() => Promise<unknown>)[] = [];
let servers: Servers;
let bus: ServiceBusClient;
let table: TableClient;
let storage: BlobServiceClient;
let createJob: (name: string, annotations: object, ofPod: object) => Promise<void>;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), "leaks-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const [azurite, broker, cluster] = await Promise.all([
    startAzurite(),
    startBroker({
      entities: { queues: [{ name: QUEUE }], topics: [{ name: TOPIC, subscriptions: [{ name: SUBSCRIPTION }] }] },
    }),
    startCluster({ directory, namespace: "jobs", stub: true }),
  ]);
  for (const server of [azurite, broker, cluster]) cleanUps.push(() => server.close());
  const access = await readAccess(cluster.kubeconfigPath);
  servers = {
    serviceBus: broker.connectionString,
    storage: azurite.connectionString,
    tableName: "Runs",
    cluster: access,
    ledger: "",
  };
  bus = new ServiceBusClient(broker.connectionString);
  cleanUps.push(() => bus.close());
  table = TableClient.fromConnectionString(azurite.connectionString, "Runs", { allowInsecureConnection: true });
  await table.createTable();
  storage = BlobServiceClient.fromConnectionString(azurite.connectionString);
  for (const container of ["dispatcher-payloads", "dispatcher-logs"])
    await storage.getContainerClient(container).create();
  const bare = new BareCluster(access);
  cleanUps.push(async () => bare.close());
  createJob = (name, annotations, ofPod) =>
    bare.createJob(
      JSON.stringify({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name, annotations },
        spec: {
          template: {
            metadata: { annotations: ofPod },
            spec: { restartPolicy: "Never", containers: [{ name: "worker", image: "busybox:1.36" }] },
          },
        },
      }),
    );
}, 60_000);
afterAll(async () => {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
});

/** Leaves what a closed run leaves on the servers. `said` is in every place where the app writes what others said. */
async function leave(name: string, said: string): Promise<void> {
  await table.createEntity({ partitionKey: name, rowKey: "run|1", sequenceNumber: 1n, closedAt: new Date() });
  await table.createEntity({ partitionKey: name, rowKey: "run|2", lastError: said });
  await makeSender(bus)({ id: name, kind: "success" });
  const receiver = bus.createReceiver(QUEUE);
  const [message] = await receiver.receiveMessages(1);
  if (message) await receiver.deadLetterMessage(message, { ...REASON, deadLetterErrorDescription: said });
  await receiver.close();
  const inPod = { "ion/message": CANARIES.body, "ion/properties": CANARIES.property, "ion/message-url": SIGNED };
  await createJob(name, { "ion/run-id": said }, inPod);
  const upload = async (container: string, content: string) => {
    const blob = storage.getContainerClient(container).getBlockBlobClient(name);
    await blob.upload(content, content.length, { metadata: { said: encodeURIComponent(said) } });
  };
  await upload("dispatcher-payloads", CANARIES.body);
  await upload("dispatcher-logs", `can't read ${SIGNED}`);
}

describe("the search for leaks", () => {
  it("finds nothing if messages are only where they belong, and a signature is crossed out", async () => {
    await leave("clean", "can't read http://127.0.0.1/account/bodies/one?sv=2022&sig=...&se=2026");
    expect(await searchLeaks(servers, search)).toEqual([]);
  });

  it("finds the body in a row, on a dead letter, in a Job and on a blob, and says where, but not what", async () => {
    await leave("leaky", `not JSON: "${CANARIES.body}"...`);
    const findings = await searchLeaks(servers, search);
    expect(findings.map(({ kind, about }) => `${kind}: ${about}`)).toEqual([
      "leak: row leaky run|2, column lastError",
      `leak: dead letter leaky of ${QUEUE}`,
      "leak: Job leaky",
      "leak: blob dispatcher-logs/leaky",
      "leak: blob dispatcher-payloads/leaky",
    ]);
    for (const { what } of findings) expect(what).toMatch(/^it holds a body: .*<a body>/);
    expect(JSON.stringify(findings)).not.toContain(CANARIES.body);
  });

  it.each<{ name: string; plant: () => Promise<unknown>; place: string; holds: string }>([
    {
      name: "a signature in a row's key, which it doesn't repeat",
      plant: () => table.createEntity({ partitionKey: "p&sig=abcdefgh", rowKey: "run|3" }),
      place: "row p&sig=<the signature of a URL> run|3, column partitionKey",
      holds: "the signature of a URL",
    },
    {
      name: "a URL in an annotation of the pod that must not hold it",
      plant: () => createJob("pod-leaks", {}, { "ion/message-id": SIGNED }),
      place: "Job pod-leaks",
      holds: "the signature of a URL",
    },
    {
      name: "a body in an annotation of the Job itself",
      plant: () => createJob("job-leaks", { "ion/message": CANARIES.body }, {}),
      place: "Job job-leaks",
      holds: "a body",
    },
    {
      name: "a token in a property of a message that is deferred",
      plant: async () => {
        await makeSender(bus)({ id: "deferred", kind: "topic" });
        const receiver = bus.createReceiver(TOPIC, SUBSCRIPTION);
        const [message] = await receiver.receiveMessages(1);
        if (message) await receiver.deferMessage(message, { "dispatcher-last-error": `401: ${TOKEN}` });
        await receiver.close();
      },
      place: `message deferred of ${TOPIC}/${SUBSCRIPTION}`,
      holds: "a token",
    },
    {
      name: "the sender's property in one of ours",
      plant: async () => {
        await makeSender(bus)({ id: "copied", kind: "success" });
        const receiver = bus.createReceiver(QUEUE);
        const [message] = await receiver.receiveMessages(1);
        if (message)
          await receiver.deadLetterMessage(message, { ...REASON, "dispatcher-last-error": CANARIES.property });
        await receiver.close();
      },
      place: `dead letter copied of ${QUEUE}`,
      holds: "a property",
    },
    {
      name: "a body in a blob's name",
      plant: () => storage.getContainerClient("dispatcher-logs").getBlockBlobClient(CANARIES.body).upload("", 0),
      place: "blob dispatcher-logs/<a body>",
      holds: "a body",
    },
  ])("finds $name", async ({ plant, place, holds }) => {
    await plant();
    const findings = await searchLeaks(servers, search);
    expect(findings.find(({ about }) => about === place)?.what).toMatch(`it holds ${holds}: `);
  });
});

it("finds the canaries in the body, the properties and the content type of every message that is sent", async () => {
  for (const kind of KIND_NAMES) await makeSender(bus)({ id: `sent ${kind}`, kind });
  const peeked = (await peekBus(servers.serviceBus)).filter(({ message }) =>
    String(message.messageId).startsWith("sent "),
  );
  expect(peeked).toHaveLength(KIND_NAMES.reduce((sum, kind) => sum + kindOf(kind).copies, 0));
  for (const { message } of peeked) {
    const { body, applicationProperties, contentType } = message;
    const found = [String(body), JSON.stringify(applicationProperties), contentType ?? ""].map((text) =>
      search.find(text),
    );
    expect(found.map((each) => each?.names)).toEqual([["a body"], ["a property"], ["a content type"]]);
  }
});
