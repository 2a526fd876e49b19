/** Up to this, all durations are one. */
const SHORTEST_MS = 100;

/**
 * How many things took how long, in steps: number 0 counts up to 0.1 s, and each further one, half a number later, up to
 * 2^¼ times as much as the one before it. What is not named is 0. Earlier releases counted in whole numbers.
 */
export type Durations = Readonly<Record<number, number>>;

/** How long things took, to a tenth exactly, because they were counted in steps. */
export interface Spread {
  /** How many they are. */
  readonly count: number;
  /** Half of them took no longer. */
  readonly medianMs: number;
  /** Of a hundred, 95 took no longer. */
  readonly p95Ms: number;
}

/** Counts one more. */
export function addDuration(durations: Record<number, number>, ms: number): void {
  const step = Math.ceil(4 * Math.log2(Math.max(ms, SHORTEST_MS) / SHORTEST_MS)) / 2;
  durations[step] = (durations[step] ?? 0) + 1;
}

/** Adds others to these. */
export function addDurations(sum: Record<number, number>, others: Durations): void {
  for (const [step, count] of Object.entries(others)) sum[Number(step)] = (sum[Number(step)] ?? 0) + count;
}

/** Says how long they took. Undefined if there are none. */
export function spreadOf(durations: Durations): Spread | undefined {
  const steps = Object.entries(durations)
    .map(([step, count]) => ({ step: Number(step), count }))
    .toSorted((a, b) => a.step - b.step);
  const count = steps.reduce((sum, each) => sum + each.count, 0);
  if (count === 0) return undefined;
  const upTo = (share: number) => {
    let sum = 0;
    const found = steps.find((each) => (sum += each.count) >= share * count);
    return middleOf(found?.step ?? 0);
  };
  return { count, medianMs: upTo(0.5), p95Ms: upTo(0.95) };
}

/** The middle of a step, as multiples go: what it counts is off by 2^⅛ at most. */
function middleOf(step: number): number {
  return Math.round(SHORTEST_MS * 2 ** (Math.max(0, step - 0.25) / 2));
}
