/** A flag that is a whole number. Throws an Error that says which one is not, and what is allowed. */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`--${flag} ${text} is not a whole number from ${least} to ${most}`);
}
