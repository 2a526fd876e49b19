/** What the body of a message orders. `real-cluster/go/queue-worker/main.go` reads it. */
export interface Order {
  /** The message's id, too. */
  readonly id: string;
  readonly workMs: number;
  /** How the worker ends. With a code other than 0 it dies, and leaves its message as it is. */
  readonly exitCode: number;
}

/**
 * The kinds of messages, which differ in who takes them. `broken` is for a template whose image does not exist, and
 * `good` is for one beside it that works.
 */
export const KINDS = ["work", "dying", "broken", "good"] as const;
export type Kind = (typeof KINDS)[number];

/** How long the work of each message takes. */
const WORK_MS = 1000;
/** How a worker ends that always dies. */
const DEAD = 3;

/** Makes so many orders, with ids that begin with `name`. */
export function ordersOf(name: string, count: number, { dies = false } = {}): Order[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `${name}-${n + 1}`,
    workMs: WORK_MS,
    exitCode: dies ? DEAD : 0,
  }));
}
