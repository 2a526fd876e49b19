import { createHash } from "node:crypto";
import { type FunctionTrigger, trigger } from "@azure/functions";
import { type Source, sourceKey, sourceName } from "../shared/run/source.ts";

/**
 * The Service Bus trigger of a source: one message at a time, settled by us alone.
 *
 * Its body is not used (docs/decisions/0005), but the host converts it before it calls: as `binary` it fails for whatever is no AMQP data, the
 * text messages of JMS among them, and abandons the message again and again. As `string` it takes any bytes, and text.
 */
export function sourceTrigger(source: Source): FunctionTrigger {
  const entity =
    "queue" in source
      ? { queueName: source.queue }
      : { topicName: source.topic, subscriptionName: source.subscription };
  return trigger.generic({
    type: "serviceBusTrigger",
    connection: "ServiceBus",
    ...entity,
    cardinality: "one",
    dataType: "string",
    autoCompleteMessages: false,
  });
}

/** A function's name: `accept-thumbnails`. Where the source's name has characters that hosts refuse, a hash keeps two sources apart. */
export function acceptName(source: Source): string {
  const name = sourceName(source);
  const clean = name.replaceAll(/[^A-Za-z0-9-]/g, "-").slice(0, 100);
  const hash = createHash("sha256").update(sourceKey(source)).digest("hex").slice(0, 8);
  return clean === name ? `accept-${clean}` : `accept-${clean}-${hash}`;
}
