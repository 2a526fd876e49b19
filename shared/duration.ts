import ms from "ms";

/** What a duration looks like: a whole number and its unit, without a space. */
export const DURATION_PATTERN = /^(0|[1-9]\d{0,8})(ms|s|m|h|d)$/;

/** `10s`, `5m`, `1h`, `30d` or `500ms` in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  return isDuration(text) ? ms(text) : undefined;
}

function isDuration(text: string): text is ms.StringValue {
  return DURATION_PATTERN.test(text);
}
