/** What shifts a process's wall clock, before anything else of it runs. Written out here, for it runs in no program of ours. */
const shift = (ms: number) => `
const Real = Date;
globalThis.Date = class Date extends Real {
  constructor(...args) { if (args.length === 0) super(Real.now() + ${ms}); else super(...args); }
  static now() { return Real.now() + ${ms}; }
};`;

/** The environment of a Node process whose wall clock is so many milliseconds ahead. Timers and the monotonic clock go on as they are. */
export function clockAhead(ms: number): { readonly NODE_OPTIONS: string } {
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift(ms))}` };
}
