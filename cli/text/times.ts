const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** Says how long something is, in its two largest units at most: `3d4h`, `2m30s`, `5s`. Under a second it is `0s`. */
export function lengthText(ms: number): string {
  const first = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  const [large, small] = first < 0 ? [] : UNITS.slice(first, first + 2);
  if (!large) return "0s";
  const count = Math.floor(ms / large[1]);
  const rest = small ? Math.floor((ms % large[1]) / small[1]) : 0;
  // Of ten and more of the larger unit the smaller one says nothing.
  return `${count}${large[0]}${small && rest > 0 && count < 10 ? `${rest}${small[0]}` : ""}`;
}

/** Says between what lengths something is; as one, if both read the same. */
export function lengthsText(leastMs: number, mostMs: number): string {
  const [least, most] = [lengthText(leastMs), lengthText(mostMs)];
  return least === most ? most : `${least} to ${most}`;
}

/** Says how long work took, as `lengthText` does, but under ten seconds to a tenth of a second. */
export function tookText(ms: number): string {
  return ms < 9_950 ? `${(ms / 1_000).toFixed(1)}s` : lengthText(ms);
}

/** Says how long ago something was, such as `5m ago`. */
export function agoText(ms: number): string {
  return `${lengthText(ms)} ago`;
}

/** Writes a time in ms since 1970, to the second and in UTC. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Writes a number of things, such as `1 run` or `2 runs`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** Writes a count. There may be more than were counted. */
export function countText({ count, isMore }: { readonly count: number; readonly isMore: boolean }): string {
  return isMore ? `${count} or more` : String(count);
}

/** Writes how many there are in a minute, if one takes so long, and a whole number of ten or more by `write`. */
export function perMinuteText(eachMs: number, write: (whole: number) => string = String): string {
  const perMinute = 60_000 / eachMs;
  return perMinute < 9.95 ? perMinute.toFixed(1) : write(Math.round(perMinute));
}
