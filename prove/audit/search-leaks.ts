import { TableClient, TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { z } from "zod";
import type { SecretSearch } from "../../local/kit/secret-search.ts";
import { CANARIES, CANARY_PROPERTY } from "../stage/canaries.ts";
import type { Finding } from "./audit.ts";
import { listJobs } from "./list-jobs.ts";
import { type Peeked, peekBus } from "./peek-bus.ts";
import type { Servers } from "./read-records.ts";

/** A place where a secret could be, and what is written there. */
type Written = readonly [place: string, what: unknown];

/**
 * Searches everything that replicas leave on the servers for secrets: the columns of all rows, the properties of
 * messages and dead letters, Jobs, and the names of blobs. It does not search what has to hold the message, which is
 * its stored body and the annotations of a Job's pod. Nor does it search what others wrote, which is the log of a
 * worker and the property of the sender.
 */
export async function searchLeaks(servers: Servers, search: SecretSearch): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const written of [rows(servers), messages(servers), jobs(servers), blobs(servers)])
    for await (const [place, what] of written) {
      const found = search.find(asText(what)) ?? search.find(place);
      if (found === undefined) continue;
      const { names, excerpt } = found;
      findings.push({
        kind: "leak",
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
  for (const peeked of await peekBus(serviceBus)) yield [placeOf(peeked), ownWordsOn(peeked)];
}

function placeOf({ source, isDeadLetter, message }: Peeked): string {
  return `${isDeadLetter ? "dead letter" : "message"} ${String(message.messageId)} of ${source}`;
}

/** Gives what the replicas wrote on a message: all of its properties but the sender's. */
function ownWordsOn({ message }: Peeked): unknown {
  const { deadLetterReason, deadLetterErrorDescription, applicationProperties = {} } = message;
  const properties = Object.entries(applicationProperties).filter(
    ([name, value]) => name !== CANARY_PROPERTY || value !== CANARIES.property,
  );
  return { deadLetterReason, deadLetterErrorDescription, properties: Object.fromEntries(properties) };
}

/** The annotations of a Job's pod that hold the message, or the URL of its body. */
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
  return JSON.stringify(value ?? null, (_, each: unknown) => (typeof each === "bigint" ? each.toString() : each));
}
