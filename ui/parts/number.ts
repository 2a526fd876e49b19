const WHOLE = new Intl.NumberFormat("en");

/** Writes a count, such as `12,345`, with `+` if there may be more, because no more are counted. */
export function countText(count: number, isMore = false): string {
  return `${WHOLE.format(count)}${isMore ? "+" : ""}`;
}
