import { createHash } from "node:crypto";
import { type FunctionTrigger, trigger } from "@azure/functions";
import { type Source, sourceKey, sourceName } from "../shared/run/source.ts";

/** The Service Bus trigger of a source: one message at a time, its body as raw bytes, settled by us alone. */
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
    dataType: "binary",
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
