const WHOLE = new Intl.NumberFormat("en");

/** Writes a count, such as `12,345`, with `+` if there are more than were counted. */
export function countText(count: number, isMore = false): string {
  return `${WHOLE.format(count)}${isMore ? "+" : ""}`;
}
