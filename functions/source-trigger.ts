import { createHash } from "node:crypto";
import { type FunctionTrigger, trigger } from "@azure/functions";
import { type Source, sourceKey, sourceName } from "../shared/run/source.ts";

/**
 * Describes the Service Bus trigger of a source: one message at a time, settled by us alone.
 *
 * The app does not use its body (docs/decisions/0005), but the host converts the body before it calls. As `binary` that
 * fails for everything that is no AMQP data, such as the text messages of JMS, and the host abandons the message again
 * and again. As `string` it takes any bytes, and text.
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

/**
 * Names a source's function, such as `accept-thumbnails`. If the source's name has characters that hosts refuse, a hash
 * keeps two sources apart.
 */
export function acceptName(source: Source): string {
  const name = sourceName(source);
  const clean = name.replaceAll(/[^A-Za-z0-9-]/g, "-").slice(0, 100);
  const hash = createHash("sha256").update(sourceKey(source)).digest("hex").slice(0, 8);
  return clean === name ? `accept-${clean}` : `accept-${clean}-${hash}`;
}
