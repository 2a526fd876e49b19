/**
 * Reads a `Retry-After` header, in seconds or as a date, as milliseconds from now. A date is compared with the answer's
 * own `Date`, because this machine's clock may be wrong. Undefined if there is no such header, or if it is neither.
 */
export function retryAfterMs(header: string | undefined, answeredAt: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.parse(answeredAt ?? "") : seconds * 1000;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
