import type { EpochMs } from "./clock.ts";
import type { Dependencies } from "./dependencies.ts";
import { errorText } from "./errors.ts";
import { type Gates, makeGates } from "./judge/gates.ts";
import { distinctSources } from "./modules/route.ts";
import { once } from "./once.ts";
import type { StoredLimit } from "./ports/instance-table.ts";
import { type ClusterHold, type ClusterRecord, holdOf } from "./run/cluster-record.ts";
import { type GateScope, gateName } from "./run/gate-state.ts";
import { isInForce, type ModuleLimit } from "./run/module-limit.ts";
import { sourceName } from "./run/source.ts";
import type { HoldReason } from "./run/source-hold.ts";
import { tripsIn } from "./start/breakers.ts";

/** If the last tick is older than this, the timer is silent, and nothing is retried or settled. */
export const MAX_TICK_AGE_MS = 5 * 60_000;

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
  /** The modules that a person paused or limited. Their messages wait; the app is ready all the same. */
  readonly limits: Readonly<Record<string, LimitShown>>;
  /** The sources whose runs are held, and why. The app is ready all the same, because every replica sees the same. */
  readonly heldSources: Readonly<Record<string, HoldReason>>;
  /** The gates that are shut, by name. Only the log says why, because the reason may name a property of a body. */
  readonly shutGates: readonly string[];
  /**
   * Why this replica starts nothing just now; null if it may. It is ready all the same: if a rollout moves to another
   * cluster, the old replicas have to go before that one is taken, and they stay as long as the new ones are not ready.
   */
  readonly clusterHold: ClusterHold | null;
  /**
   * Why deliveries are settled over the management link, and not on the link that brought them; null if they are not.
   * The app is ready all the same.
   */
  readonly settledElsewhere: string | null;
}

/** A person's limit on a module. Times are in ISO 8601. */
interface LimitShown extends Omit<ModuleLimit, "module" | "since" | "until"> {
  readonly since: string;
  readonly until?: string;
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
  const gates = makeGates(deps);
  const monotonicMs = () => deps.clock.read().monotonicMs;
  const startedAt = monotonicMs();
  const sources = distinctSources(deps.modules.values());
  return async (): Promise<Readiness> => {
    let rows: Rows | undefined;
    let uid: string | undefined;
    const checks: Record<string, Promise<unknown>> = {
      table: readRows(deps, gates).then((read) => {
        rows = read;
      }),
      payloads: deps.payloads.verify(),
      cluster: Promise.all([deps.cluster.namespaceUid(), deps.cluster.verify()]).then(([seen]) => {
        uid = seen;
      }),
      ...Object.fromEntries(sources.map((source) => [`source ${sourceName(source)}`, deps.broker.verify(source)])),
    };
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await check.then(() => null, errorText)] as const),
    );
    const { lastTick, record, ...held } = rows ?? NO_ROWS;
    const age = lastTick === undefined ? null : deps.clock.now() - lastTick;
    const isSilent = Math.min(age ?? Number.POSITIVE_INFINITY, monotonicMs() - startedAt) > MAX_TICK_AGE_MS;
    return {
      ready: !isSilent && results.every(([, problem]) => problem === null),
      reconcileAgeMs: age,
      dependencies: Object.fromEntries(results),
      ...held,
      clusterHold: (record && holdOf(record, uid)) ?? null,
      settledElsewhere: (await deps.hostLink.problem()) ?? null,
    };
  };
}

/** What the instance's rows say. */
interface Rows extends Pick<Readiness, "tripped" | "limits" | "heldSources" | "shutGates"> {
  readonly lastTick: EpochMs | undefined;
  readonly record: ClusterRecord | undefined;
}

const NO_ROWS: Rows = {
  tripped: {},
  limits: {},
  heldSources: {},
  shutGates: [],
  lastTick: undefined,
  record: undefined,
};

async function readRows(deps: Dependencies, gates: Gates): Promise<Rows> {
  const [lastTick, states, limits, heldSources, cluster] = await Promise.all([
    deps.instanceTable.lastTick(),
    deps.instanceTable.moduleStates(),
    deps.instanceTable.limits(),
    deps.instanceTable.heldSources(),
    deps.instanceTable.cluster(),
    gates.refresh(),
  ]);
  return {
    lastTick: lastTick?.at,
    tripped: Object.fromEntries([...tripsIn(deps.modules, states)].map(([module, { detail }]) => [module, detail])),
    limits: limitsIn(deps, limits),
    heldSources: Object.fromEntries(heldSources.map(({ source, hold }) => [sourceName(source), hold.because])),
    shutGates: scopesOf(deps)
      .filter((scope) => gates.shut(scope))
      .map(gateName),
    record: cluster?.record,
  };
}

/** Lists the scopes of all gates that today's files have. */
function scopesOf({ modules }: Dependencies): GateScope[] {
  const names = [...modules.keys()].map((module) => ({ module }));
  return [...names, ...distinctSources(modules.values()).map((source) => ({ source }))];
}

function limitsIn({ modules, clock }: Dependencies, limits: readonly StoredLimit[]): Record<string, LimitShown> {
  const inForce = limits.filter(({ limit }) => modules.has(limit.module) && isInForce(limit, clock.now()));
  return Object.fromEntries(
    inForce.map(({ limit: { module, since, until, ...limit } }) => {
      const ends = until === undefined ? {} : { until: new Date(until).toISOString() };
      return [module, { ...limit, since: new Date(since).toISOString(), ...ends }];
    }),
  );
}
