import type { Dependencies } from "./dependencies.ts";
import { errorText } from "./errors.ts";
import { distinctSources } from "./modules/route.ts";
import { sourceName } from "./run/source.ts";

/** A reconcile older than this means that the timer is silent: nothing is retried or settled. */
const MAX_TICK_AGE_MS = 5 * 60_000;

/** What `/api/health/ready` answers. `null` = in order; otherwise what is wrong and what to do. */
export interface Readiness {
  readonly ready: boolean;
  /** Age of the last finished reconcile, by whichever replica, in ms; null before the first. */
  readonly reconcileAgeMs: number | null;
  readonly dependencies: Readonly<Record<string, string | null>>;
}

/** Asks each dependency for something harmless, all at once. Not ready where one fails, or where the timer has gone silent. */
export function makeReadiness(deps: Dependencies) {
  const startedAt = deps.clock.now();
  const sources = distinctSources(deps.modules.values());
  return async (): Promise<Readiness> => {
    let lastTick: number | undefined;
    const checks: Record<string, Promise<unknown>> = {
      table: deps.table.lastTick().then((at) => {
        lastTick = at;
      }),
      payloads: deps.payloads.verify(),
      cluster: deps.cluster.verify(),
      ...Object.fromEntries(sources.map((source) => [`source ${sourceName(source)}`, deps.broker.verify(source)])),
    };
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await check.then(() => null, errorText)] as const),
    );
    const now = deps.clock.now();
    const isSilent = now - Math.max(lastTick ?? 0, startedAt) > MAX_TICK_AGE_MS;
    return {
      ready: !isSilent && results.every(([, problem]) => problem === null),
      reconcileAgeMs: lastTick === undefined ? null : now - lastTick,
      dependencies: Object.fromEntries(results),
    };
  };
}
