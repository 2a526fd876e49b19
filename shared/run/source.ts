import { isRecord } from "../plain-data.ts";

/** Where messages come from: a queue, or one subscription of a topic. */
export type Source = { readonly queue: string } | { readonly topic: string; readonly subscription: string };

/** Names a source in logs and run ids: `thumbnails`, or `image-uploaded/thumbnail`. */
export function sourceName(source: Source): string {
  return "queue" in source ? source.queue : `${source.topic}/${source.subscription}`;
}

/**
 * Makes a key that is the same for two sources if the bus takes them for the same entity, because its names ignore
 * case.
 */
export function sourceKey(source: Source): string {
  return ("queue" in source ? `q|${source.queue}` : `t|${source.topic}|${source.subscription}`).toLowerCase();
}

/**
 * Reads a source out of parsed JSON or a row's columns. Undefined if they name neither a queue nor a topic and its
 * subscription.
 */
export function sourceIn(value: unknown): Source | undefined {
  if (!isRecord(value)) return undefined;
  const { queue, topic, subscription } = value;
  if (typeof queue === "string") return { queue };
  if (typeof topic === "string" && typeof subscription === "string") return { topic, subscription };
  return undefined;
}
