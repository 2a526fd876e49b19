import { z } from "zod";
import { compileFilter, filterSchema } from "./filter.ts";
import type { MessageFilter } from "./message-filter.ts";

const name = z.string().min(1).max(260);
const positive = z.number().int().positive();

const entityFields = {
  /** How long a receiver's lock on a message lasts. Default 5 minutes. */
  lockDurationMs: positive.optional(),
  /** A message is dead-lettered after this many deliveries that did not settle it. Default 2,000. */
  maxDeliveryCount: positive.max(2000).optional(),
  /** How long a message lives. Without it, a message lives as long as its sender says, or for ever. */
  defaultTtlMs: positive.optional(),
  /** Moves a message that outlived its time to the dead letter queue instead of dropping it. Default false. */
  deadLetteringOnExpiration: z.boolean().optional(),
  /** Refuses receivers without a session, and messages without a session id. Default false. */
  requiresSession: z.boolean().optional(),
  /** Gives sequence numbers a partition in their top bits, so that they exceed 2^53. Default false. */
  partitioned: z.boolean().optional(),
};
const queueSchema = z.strictObject({ name, ...entityFields });
const subscriptionSchema = z.strictObject({ name, ...entityFields, filter: filterSchema.optional() });
const topicSchema = z.strictObject({ name, subscriptions: z.array(subscriptionSchema) });
const entitiesSchema = z.strictObject({ queues: z.array(queueSchema), topics: z.array(topicSchema) });

export type QueueConfig = z.input<typeof queueSchema>;
export type SubscriptionConfig = z.input<typeof subscriptionSchema>;
/** The queues and topics of a broker. Names ignore case. */
export type BrokerEntities = z.input<typeof entitiesSchema>;

/** The settings of a queue or subscription, complete. */
export interface EntitySettings {
  readonly lockDurationMs: number;
  readonly maxDeliveryCount: number;
  readonly defaultTtlMs: number | undefined;
  readonly deadLetteringOnExpiration: boolean;
  readonly requiresSession: boolean;
  readonly partitioned: boolean;
}

/**
 * Checks what a file or a caller says about entities. Throws an Error that names each field, filter or name that is
 * wrong.
 */
export function parseEntities(input: unknown): BrokerEntities {
  const parsed = entitiesSchema.safeParse(input);
  if (!parsed.success) throw new Error(`the broker's entities are wrong:\n${z.prettifyError(parsed.error)}`);
  const { queues, topics } = parsed.data;
  refuseTwins([...queues, ...topics].map(({ name }) => name));
  for (const topic of topics) {
    refuseTwins(topic.subscriptions.map((subscription) => `${topic.name}/${subscription.name}`));
    for (const subscription of topic.subscriptions) filterOf(subscription);
  }
  return parsed.data;
}

function refuseTwins(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.toLowerCase()))
      throw new Error(`the broker's entities are wrong: "${name}" is there twice. Give each entity a name of its own`);
    seen.add(name.toLowerCase());
  }
}

/** The settings of an entity, with the defaults that the Dispatcher's own entities have. */
export function settingsOf(config: QueueConfig | SubscriptionConfig): EntitySettings {
  return {
    lockDurationMs: config.lockDurationMs ?? 300_000,
    maxDeliveryCount: config.maxDeliveryCount ?? 2000,
    defaultTtlMs: config.defaultTtlMs,
    deadLetteringOnExpiration: config.deadLetteringOnExpiration ?? false,
    requiresSession: config.requiresSession ?? false,
    partitioned: config.partitioned ?? false,
  };
}

/**
 * The filter of a subscription. Without one, the subscription takes every message. Throws if the SQL is beyond this
 * broker.
 */
export function filterOf(config: SubscriptionConfig): MessageFilter {
  return compileFilter(config.filter ?? {});
}
