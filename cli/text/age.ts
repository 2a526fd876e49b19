const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

/** Says how long ago something was, in one unit and rounded down, such as `42s`, `5m`, `3h` or `12d`. */
export function ageText(ageMs: number): string {
  const unit = UNITS.find(([, unitMs]) => ageMs >= unitMs);
  return unit ? `${Math.floor(ageMs / unit[1])}${unit[0]}` : `${Math.max(0, Math.floor(ageMs / 1000))}s`;
}
