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
