import { type Source, sourceKey } from "../../shared/run/source.ts";
import type { BrokerEntities } from "../broker/entities.ts";
import type { FilterConfig } from "../broker/filter.ts";

/**
 * The queues, topics and subscriptions of a broker for these sources, each once. A filter is found by
 * `<topic>/<subscription>`.
 */
export function busEntities(
  sources: readonly Source[],
  options: { readonly lockDurationMs: number; readonly filters: Readonly<Record<string, FilterConfig>> },
): BrokerEntities {
  const { lockDurationMs, filters } = options;
  const queues: BrokerEntities["queues"] = [];
  const topics = new Map<string, BrokerEntities["topics"][number]>();
  for (const source of new Map(sources.map((one) => [sourceKey(one), one])).values()) {
    if ("queue" in source) {
      queues.push({ name: source.queue, lockDurationMs });
      continue;
    }
    const topic = topics.get(source.topic.toLowerCase()) ?? { name: source.topic, subscriptions: [] };
    const filter = filters[`${source.topic}/${source.subscription}`];
    topic.subscriptions.push({
      name: source.subscription,
      lockDurationMs,
      ...(filter === undefined ? {} : { filter }),
    });
    topics.set(source.topic.toLowerCase(), topic);
  }
  return { queues, topics: [...topics.values()] };
}
