import type { Clock } from "./clock.ts";
import type { Ticks } from "./reconcile/tick-lease.ts";

/** A tick ends within two minutes, its watch included. One that runs for longer than this will never end. */
const STUCK_AFTER_MS = 10 * 60_000;

/** The answer of `/api/health/live`. */
export interface Liveness {
  /** False if a tick of this process is stuck. Only a restart ends it. */
  readonly live: boolean;
  /** How long the oldest tick of this process has been running, in ms; null if none runs. */
  readonly tickMs: number | null;
}

/**
 * Watches over the ticks of this process, so that the kubelet restarts it if one never ends. A tick that ends as held up
 * has ended.
 *
 * A process that does not tick is alive all the same: another replica may have the timer, a dependency may be away, or
 * the schedule may be rare. A restart would mend none of that, and would end every replica at once. If no replica ticks,
 * an alert tells a person.
 */
export function watchOver(clock: Pick<Clock, "read">, ticks: Ticks): Ticks & { liveness(): Liveness } {
  const running = new Set<{ readonly since: number }>();
  return {
    async tick(log) {
      const one = { since: clock.read().monotonicMs };
      running.add(one);
      try {
        await ticks.tick(log);
      } finally {
        running.delete(one);
      }
    },
    stop: () => ticks.stop(),
    liveness() {
      const [oldest] = running;
      const tickMs = oldest === undefined ? null : Math.round(clock.read().monotonicMs - oldest.since);
      return { live: (tickMs ?? 0) <= STUCK_AFTER_MS, tickMs };
    },
  };
}
