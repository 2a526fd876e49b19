import type { Dependencies } from "./dependencies.ts";
import { errorText } from "./errors.ts";
import { distinctSources } from "./modules/route.ts";
import { templateOf } from "./modules/template-of.ts";
import { once } from "./once.ts";
import type { StoredModuleState } from "./ports/instance-table.ts";
import { isTripped } from "./run/module-state.ts";
import { sourceName } from "./run/source.ts";

/** If the last tick is older than this, the timer is silent, and nothing is retried or settled. */
const MAX_TICK_AGE_MS = 5 * 60_000;

/**
 * The answer of `/api/health/ready`. A dependency is `null` if it is in order, or else says what is wrong and what to
 * do.
 */
export interface Readiness {
  readonly ready: boolean;
  /** The age in ms of the last finished tick, whichever replica ran it; null before the first. */
  readonly reconcileAgeMs: number | null;
  readonly dependencies: Readonly<Record<string, string | null>>;
  /**
   * The modules whose Jobs can't start, and why. Their messages wait; the app is ready all the same, because other
   * modules work.
   */
  readonly tripped: Readonly<Record<string, string>>;
}

/**
 * How long an answer is given again. Anybody may ask, and each new answer costs a request to every dependency. A bad
 * answer lasts less long, because it should pass.
 */
const GOOD_FOR_MS = { ready: 5_000, notReady: 1_000 };

/**
 * Makes the health check. It asks all dependencies at once for something harmless, unless that was just done. The app
 * is not ready if one fails, or if the timer is silent.
 */
export function makeReadiness(deps: Dependencies) {
  const look = makeLook(deps);
  let goodUntil = Number.POSITIVE_INFINITY;
  const ask = async (): Promise<Readiness> => {
    goodUntil = Number.POSITIVE_INFINITY;
    const readiness = await look();
    goodUntil = deps.clock.read().monotonicMs + (readiness.ready ? GOOD_FOR_MS.ready : GOOD_FOR_MS.notReady);
    return readiness;
  };
  let answer = once(ask);
  return (): Promise<Readiness> => {
    if (deps.clock.read().monotonicMs >= goodUntil) answer = once(ask);
    return answer();
  };
}

function makeLook(deps: Dependencies) {
  const monotonicMs = () => deps.clock.read().monotonicMs;
  const startedAt = monotonicMs();
  const sources = distinctSources(deps.modules.values());
  return async (): Promise<Readiness> => {
    let lastTick: number | undefined;
    let tripped: Record<string, string> = {};
    const checks: Record<string, Promise<unknown>> = {
      table: Promise.all([deps.instanceTable.lastTick(), deps.instanceTable.moduleStates()]).then(([at, states]) => {
        lastTick = at;
        tripped = tripsIn(deps, states);
      }),
      payloads: deps.payloads.verify(),
      cluster: deps.cluster.verify(),
      ...Object.fromEntries(sources.map((source) => [`source ${sourceName(source)}`, deps.broker.verify(source)])),
    };
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await check.then(() => null, errorText)] as const),
    );
    const age = lastTick === undefined ? null : deps.clock.now() - lastTick;
    const isSilent = Math.min(age ?? Number.POSITIVE_INFINITY, monotonicMs() - startedAt) > MAX_TICK_AGE_MS;
    return {
      ready: !isSilent && results.every(([, problem]) => problem === null),
      reconcileAgeMs: age,
      dependencies: Object.fromEntries(results),
      tripped,
    };
  };
}

function tripsIn({ modules }: Dependencies, states: readonly StoredModuleState[]): Record<string, string> {
  const tripped = states.filter(({ state }) => {
    const module = modules.get(state.module);
    return module !== undefined && isTripped(state, templateOf(module));
  });
  return Object.fromEntries(tripped.map(({ state: { module, detail } }) => [module, detail]));
}
