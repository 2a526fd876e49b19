import ms from "ms";

/** Matches a duration: a whole number and its unit, without a space. */
export const DURATION_PATTERN = /^(0|[1-9]\d{0,8})(ms|s|m|h|d)$/;

/** Parses `10s`, `5m`, `1h`, `30d` or `500ms` as milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  return isDuration(text) ? ms(text) : undefined;
}

/** Writes a duration as a setting, in the largest unit that gives a whole number: `90m` for an hour and a half. */
export function durationText(durationMs: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ] as const;
  const unit = units.find(([, unitMs]) => durationMs >= unitMs && durationMs % unitMs === 0);
  return unit ? `${durationMs / unit[1]}${unit[0]}` : `${Math.round(durationMs)}ms`;
}

function isDuration(text: string): text is ms.StringValue {
  return DURATION_PATTERN.test(text);
}
