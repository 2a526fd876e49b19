import { type AcceptOutcome, makeAccept } from "./accept/accept.ts";
import { makeHandleDelivery } from "./accept/handle-delivery.ts";
import { makeBlobPayloadStore } from "./adapters/blobs/payload-store.ts";
import { hostAddress } from "./adapters/functions-host/address.ts";
import { makeFunctionsHostLink } from "./adapters/functions-host/host-link.ts";
import { makeKubernetesJobs } from "./adapters/kubernetes/jobs.ts";
import { makeServiceBusBroker } from "./adapters/service-bus/broker.ts";
import { makeStandaloneHostLink } from "./adapters/standalone-host/host-link.ts";
import { offeredDeliveries } from "./adapters/standalone-host/offered-deliveries.ts";
import { makeAzureTable } from "./adapters/tables/run-table.ts";
import type { Page } from "./compose-page.ts";
import type { Settings } from "./config.ts";
import type { Dependencies } from "./dependencies.ts";
import { ConfigError } from "./errors.ts";
import { makeReadiness, type Readiness } from "./health.ts";
import { makeClusterGuard } from "./holds/cluster-guard.ts";
import { makeSourceHolds } from "./holds/source-holds.ts";
import { makeGates } from "./judge/gates.ts";
import { type Liveness, watchOver } from "./liveness.ts";
import { type Log, makeLog } from "./log.ts";
import { type Adapters, makeDependencies } from "./make-dependencies.ts";
import { distinctSources } from "./modules/route.ts";
import { makeJobOwners } from "./observe/job-owners.ts";
import type { HostLink } from "./ports/host-link.ts";
import type { MessageBroker } from "./ports/message-broker.ts";
import { logPreflight, makePreflight } from "./preflight.ts";
import { makeInHand } from "./reconcile/in-hand.ts";
import { makeReconcile } from "./reconcile/reconcile.ts";
import { makeTicks } from "./reconcile/tick-lease.ts";
import { makeWakes } from "./reconcile/wakes.ts";
import { makeWatchedTicks } from "./reconcile/watched-ticks.ts";
import { makeCarryOutRedrives } from "./redrive/carry-out.ts";
import type { Source } from "./run/source.ts";
import { nextOccurrence } from "./settings/ncrontab.ts";
import type { PageSettings } from "./settings/page-settings.ts";
import { makeAdmission } from "./start/admission.ts";
import { makeBreakers } from "./start/breakers.ts";
import { makeLimits } from "./start/limits.ts";
import { makeEvents } from "./telemetry/events.ts";
import { makeRecentEnds } from "./telemetry/recent-ends.ts";

/** The whole app, behind what the host's functions call. */
export interface Dispatcher {
  /** The name of the instance. Every line of its log carries it, because several may log to one place. */
  readonly instance: string;
  /** Whether the standalone host runs this process, and not the Functions host. */
  readonly isInStandaloneHost: boolean;
  /** The distinct sources of the modules: one trigger each. */
  readonly sources: readonly Source[];
  /** Handles one delivery, by what the trigger says of it. Never rejects. */
  accept(source: Source, metadata: Readonly<Record<string, unknown>> | undefined, log: Log): Promise<AcceptOutcome>;
  /** Runs one tick, and watches the Jobs until the next one is due, unless another replica does. */
  tick(log: Log): Promise<void>;
  liveness(): Liveness;
  readiness(): Promise<Readiness>;
  /** Undefined unless the settings ask for the page. */
  readonly page: Page | undefined;
  /** Ends the watch, because the host is about to wait for what runs. */
  endWatch(): void;
  /** Leaves the ticks to another replica. The host calls it before the process ends. Never rejects. */
  stop(): Promise<void>;
}

const ADAPTERS: Adapters = {
  broker: makeServiceBusBroker,
  hostLink: makeHostLink,
  table: makeAzureTable,
  payloads: makeBlobPayloadStore,
  cluster: makeKubernetesJobs,
};

/**
 * Joins modules, adapters and logic. Rejects with a ConfigError if a module file is wrong, or a source can't be used.
 */
export async function compose(settings: Settings): Promise<Dispatcher> {
  const log = makeLog(console, { instance: settings.instance });
  const deps = makeDependencies(settings, log, ADAPTERS);
  const sources = distinctSources(deps.modules.values());
  await verifySources(deps.broker, sources);
  // The preflight is not waited for, so that a module whose Job is refused, or a dependency that is away, keeps no
  // other message from its work.
  void logPreflight(makePreflight(deps), log);
  void warnOfManagement(deps.hostLink, log);
  const limits = makeLimits(deps);
  const admission = makeAdmission(deps.table, deps.clock, limits);
  const breakers = makeBreakers(deps);
  const gates = makeGates(deps);
  const holds = { cluster: makeClusterGuard(deps), sources: makeSourceHolds(deps) };
  const inHand = makeInHand();
  const owners = makeJobOwners();
  const ends = makeRecentEnds(deps);
  const carryOutRedrives = makeCarryOutRedrives(deps);
  const stopping = new AbortController();
  const watchedTicks = makeWatchedTicks(
    {
      cluster: deps.cluster,
      clock: deps.clock,
      nextTickAfter: (wallMs) => nextOccurrence(settings.reconcileSchedule, wallMs),
      stopping: stopping.signal,
      beside: (log, signal) => carryOutRedrives(makeEvents(log, [ends.read]), signal),
    },
    makeReconcile(deps, admission, breakers, limits, gates, holds, inHand, owners, ends),
    makeWakes(deps, { admission, breakers, limits, gates, holds, inHand, owners, ends }),
  );
  const handleDelivery = makeHandleDelivery(
    makeAccept(deps, admission, breakers, limits, gates, holds),
    [owners.note, ends.read],
    ends.noteSoon,
  );
  const ticks = makeTicks(deps, watchedTicks);
  return {
    instance: settings.instance,
    isInStandaloneHost: offeredDeliveries() !== undefined,
    sources,
    accept: handleDelivery,
    ...watchOver(deps.clock, ticks),
    async stop() {
      await ends.note().catch(() => undefined);
      await ticks.stop();
    },
    endWatch: () => stopping.abort(),
    readiness: makeReadiness(deps),
    page: settings.page && (await openPage(settings.page, deps, log)),
  };
}

/** Loads what serves the page only if it is asked for, so that it costs nothing otherwise. */
async function openPage(settings: PageSettings, deps: Dependencies, log: Log): Promise<Page> {
  const { composePage } = await import("./compose-page.ts");
  return composePage(settings, deps, log);
}

/** Makes the link of the host that runs this process: the standalone one, or the Functions host. */
function makeHostLink(): HostLink {
  const offered = offeredDeliveries();
  return offered ? makeStandaloneHostLink(offered) : makeFunctionsHostLink(hostAddress(process.argv));
}

/** Says once why no delivery is settled on the link that brought it, if that is so. */
async function warnOfManagement(hostLink: HostLink, log: Log): Promise<void> {
  const why = await hostLink.problem();
  if (why !== undefined) log.warn("deliveries are settled over the management link, and not on their own", { why });
}

/**
 * Stops the app if a source can't be used. A bus that is away does not stop it: the triggers wait for the bus, and the
 * preflight says so.
 */
async function verifySources(broker: MessageBroker, sources: readonly Source[]): Promise<void> {
  const problems: string[] = [];
  await Promise.all(
    sources.map(async (source) => {
      try {
        await broker.verify(source);
      } catch (error) {
        if (error instanceof ConfigError) problems.push(error.message);
      }
    }),
  );
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
}
