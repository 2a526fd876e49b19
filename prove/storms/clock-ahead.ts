/**
 * The code that shifts a process's wall clock before its program runs. It is text, because it is not part of any
 * program of ours.
 */
const shift = (ms: number) => `
const Real = Date;
globalThis.Date = class Date extends Real {
  constructor(...args) { if (args.length === 0) super(Real.now() + ${ms}); else super(...args); }
  static now() { return Real.now() + ${ms}; }
};`;

/**
 * Makes the environment of a Node process whose wall clock is so many milliseconds ahead. Its timers and its monotonic
 * clock stay right.
 */
export function clockAhead(ms: number): { readonly NODE_OPTIONS: string } {
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift(ms))}` };
}
