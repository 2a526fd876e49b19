import { z } from "zod";
import { compileFilter, filterSchema } from "./filter.ts";
import type { MessageFilter } from "./message-filter.ts";

const name = z.string().min(1).max(260);
const positive = z.number().int().positive();

const entityFields = {
  /** How long a receiver holds a message. Default 5 minutes. */
  lockDurationMs: positive.optional(),
  /** After so many deliveries that came to nothing a message is dead-lettered. Default 2,000. */
  maxDeliveryCount: positive.max(2000).optional(),
  /** How long a message lives. Without it, as long as its sender says, or for ever. */
  defaultTtlMs: positive.optional(),
  /** What outlives its time goes to the dead letter queue rather than away. Default false. */
  deadLetteringOnExpiration: z.boolean().optional(),
  /** Receivers without a session are refused, and so are messages without a session id. Default false. */
  requiresSession: z.boolean().optional(),
  /** Sequence numbers carry a partition in their top bits, and so exceed 2^53. Default false. */
  partitioned: z.boolean().optional(),
};
const queueSchema = z.strictObject({ name, ...entityFields });
const subscriptionSchema = z.strictObject({ name, ...entityFields, filter: filterSchema.optional() });
const topicSchema = z.strictObject({ name, subscriptions: z.array(subscriptionSchema) });
const entitiesSchema = z.strictObject({ queues: z.array(queueSchema), topics: z.array(topicSchema) });

export type QueueConfig = z.input<typeof queueSchema>;
export type SubscriptionConfig = z.input<typeof subscriptionSchema>;
/** What a broker holds. Names ignore case. */
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

/** Checks what a file or a caller says about entities. Throws an error that names each field, filter or name that is wrong. */
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
    if (seen.has(name.toLowerCase())) throw new Error(`the broker's entities are wrong: "${name}" is there twice`);
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

/** The filter of a subscription; one that says nothing takes every message. Throws where the SQL is more than this broker knows. */
export function filterOf(config: SubscriptionConfig): MessageFilter {
  return compileFilter(config.filter ?? {});
}
