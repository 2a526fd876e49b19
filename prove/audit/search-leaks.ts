import { TableClient, TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { z } from "zod";
import type { SecretSearch } from "../../local/kit/secret-search.ts";
import { CANARIES, CANARY_PROPERTY } from "../stage/canaries.ts";
import type { Finding } from "./audit.ts";
import type { Servers } from "./books.ts";
import { listJobs } from "./list-jobs.ts";
import { type Peeked, peekBus } from "./peek-bus.ts";

/** Where a secret would be found, and what is written there. */
type Written = readonly [place: string, what: unknown];

/**
 * Searches everything that Dispatchers leave on the servers: all columns of all rows, what they write on messages and dead letters, Jobs, and
 * the names of blobs. Left out is what has to hold the message, its annotations in a Job's pod and its body, and what is another's own word: the
 * log of a worker, the property of the sender.
 */
export async function searchLeaks(servers: Servers, search: SecretSearch): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const written of [rows(servers), messages(servers), jobs(servers), blobs(servers)])
    for await (const [place, what] of written) {
      const found = search.find(asText(what)) ?? search.find(place);
      if (found === undefined) continue;
      const { names, excerpt } = found;
      findings.push({
        verdict: "leak",
        about: search.crossedOut(place),
        what: `it holds ${names.join(" and ")}: ${excerpt}`,
      });
    }
  return findings;
}

const INSECURE = { allowInsecureConnection: true };

async function* rows({ storage }: Servers): AsyncGenerator<Written> {
  for await (const { name = "" } of TableServiceClient.fromConnectionString(storage, INSECURE).listTables())
    for await (const row of TableClient.fromConnectionString(storage, name, INSECURE).listEntities())
      for (const [column, value] of Object.entries(row))
        yield [`row ${row.partitionKey} ${row.rowKey}, column ${column}`, value];
}

async function* messages({ serviceBus }: Servers): AsyncGenerator<Written> {
  for (const peeked of await peekBus(serviceBus)) yield [placeOf(peeked), dispatchersWords(peeked)];
}

function placeOf({ source, isDeadLetter, message }: Peeked): string {
  return `${isDeadLetter ? "dead letter" : "message"} ${String(message.messageId)} of ${source}`;
}

function dispatchersWords({ message }: Peeked): unknown {
  const { deadLetterReason, deadLetterErrorDescription, applicationProperties = {} } = message;
  const properties = Object.entries(applicationProperties).filter(
    ([name, value]) => name !== CANARY_PROPERTY || value !== CANARIES.property,
  );
  return { deadLetterReason, deadLetterErrorDescription, properties: Object.fromEntries(properties) };
}

/** Of the pod in a Job: what holds the message, or the URL of its body. */
const MESSAGE_ANNOTATIONS = ["ion/message", "ion/properties", "ion/message-url"];

const job = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    template: z.looseObject({
      metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).optional() }).optional(),
    }),
  }),
});

async function* jobs({ cluster }: Servers): AsyncGenerator<Written> {
  for await (const object of listJobs(cluster)) {
    const { metadata, spec, ...others } = job.parse(object);
    for (const name of MESSAGE_ANNOTATIONS) delete spec.template.metadata?.annotations?.[name];
    yield [`Job ${metadata.name}`, { metadata, spec, ...others }];
  }
}

async function* blobs({ storage }: Servers): AsyncGenerator<Written> {
  const service = BlobServiceClient.fromConnectionString(storage);
  for await (const { name: container } of service.listContainers())
    for await (const { name, metadata } of service
      .getContainerClient(container)
      .listBlobsFlat({ includeMetadata: true }))
      yield [`blob ${container}/${name}`, metadata];
}

function asText(value: unknown): string {
  return JSON.stringify(value ?? null, (_, held: unknown) => (typeof held === "bigint" ? held.toString() : held));
}
