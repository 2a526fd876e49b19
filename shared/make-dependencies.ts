import type { KubeConfig } from "@kubernetes/client-node";
import { azureIdentity, withIdentity } from "./adapters/azure/credential.ts";
import type { makeBlobPayloadStore } from "./adapters/blobs/payload-store.ts";
import type { makeKubernetesJobs } from "./adapters/kubernetes/jobs.ts";
import type { makeServiceBusBroker } from "./adapters/service-bus/broker.ts";
import type { makeAzureTable } from "./adapters/tables/run-table.ts";
import { makeServiceClock, systemClock } from "./clock.ts";
import type { Settings } from "./config.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Log } from "./log.ts";
import { loadModules, type ModulesRead } from "./module-files/load-modules.ts";
import type { HostLink } from "./ports/host-link.ts";
import { withTimeline } from "./with-timeline.ts";

/**
 * The adapters, as what makes them. The app gives them as they are. The command gives some that load their SDK once it
 * is needed, which is why nothing here imports an SDK.
 */
export interface Adapters {
  readonly broker: typeof makeServiceBusBroker;
  readonly hostLink: () => HostLink;
  readonly table: typeof makeAzureTable;
  readonly payloads: typeof makeBlobPayloadStore;
  readonly cluster: typeof makeKubernetesJobs;
}

/** What an operator at a desk has in place of what the settings name. */
interface Desk {
  readonly kubeConfig?: KubeConfig | undefined;
  /** The module files, of which some may be wrong. Without them, all of them have to be right. */
  readonly read?: ModulesRead | undefined;
}

/**
 * Makes modules and adapters as the settings name them. Makes no request. Throws a ConfigError if a module file or the
 * kubeconfig is wrong.
 */
export function makeDependencies(
  settings: Settings,
  log: Log,
  adapters: Adapters,
  { kubeConfig, read = { modules: loadModules(settings.modulesDir), wrongFiles: [] } }: Desk = {},
): Dependencies {
  const clock = makeServiceClock(systemClock, (aheadMs) => warnOfWrongClock(aheadMs, log));
  const identity = azureIdentity(settings.clientId);
  const { instance } = settings;
  const table = adapters.table({
    connection: withIdentity(settings.tables, identity),
    tableName: settings.tableName,
    instance,
    clock,
    onServiceTime: clock.hear,
    onBadRow: (row) => log.error("passed over a row that can't be understood", { ...row }),
  });
  return {
    broker: adapters.broker(withIdentity(settings.serviceBus, identity)),
    hostLink: adapters.hostLink(),
    table: withTimeline(table, clock),
    instanceTable: table,
    payloads: adapters.payloads({ connection: withIdentity(settings.blobs, identity), instance, clock }),
    cluster: adapters.cluster({
      kubeconfig: kubeConfig ?? settings.kubeconfig,
      namespace: settings.jobNamespace,
      instance,
    }),
    clock,
    modules: new Map(read.modules.map((module) => [module.name, module])),
    wrongFiles: read.wrongFiles,
    instance,
    namespace: settings.jobNamespace,
    bodyAccess: settings.bodyAccess,
    lockDurationMs: settings.lockDurationMs,
    jobRetentionMs: settings.jobRetentionMs,
    kedaVersion: settings.kedaVersion,
    historyRetentionMs: settings.historyRetentionMs,
  };
}

/** Tells a person that the wall clock of this machine is so far ahead of the table service's, or is right again. */
function warnOfWrongClock(aheadMs: number, log: Log): void {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (aheadMs === 0) log.info("this machine's clock is right again");
  else if (aheadMs > 0) log.warn("this machine's clock is ahead of the table service's: set it right", { seconds });
  else log.warn("this machine's clock is behind the table service's: set it right", { seconds });
}
