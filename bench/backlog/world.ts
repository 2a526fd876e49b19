import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { startTableServer, type TableServer } from "../../local/table-server/start-table-server.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import type { Processes } from "../processes.ts";
import { BODY } from "../sample-run.ts";
import { type ClusterServer, moduleOf, type Servers, startServers } from "../servers.ts";
import { historyRows } from "./history.ts";
import { seed } from "./seed.ts";

/** The queue whose runs are there from the beginning. */
export const FULL = "bench-full";
/** A queue whose module has a slot for every message. */
export const ROOMY = "bench-roomy";

/** Servers that hold a backlog. Bus and table are in this process, so that they can be filled without requests. */
export interface World {
  readonly servers: Servers;
  readonly tables: TableServer;
  stop(): Promise<void>;
}

export interface WorldOptions {
  /** How many runs of the full module are at work. */
  readonly working: number;
  /** How many of its runs wait, and are due. */
  readonly waiting: number;
  /** How many slots it has. */
  readonly maxActive: number;
  /** How many of its runs wait for their time; none by default. */
  readonly later?: number;
  /** How many of its runs are held; none by default. */
  readonly held?: number;
  /** How many of its runs are closed; none by default. */
  readonly closed?: number;
  /** Whether there is no other module, and so no other source. */
  readonly isAlone?: boolean;
  /** Starts the cluster, with its files in `directory`. */
  startCluster(directory: string): Promise<ClusterServer>;
}

/** Starts servers, and fills them. */
export async function startWorld(processes: Processes, options: WorldOptions): Promise<World> {
  const tables = await startTableServer();
  let broker: LocalBroker | undefined;
  const servers = await startServers(processes, {
    modules: {
      [FULL]: moduleOf(FULL, options.maxActive),
      ...(options.isAlone === true ? {} : { [ROOMY]: moduleOf(ROOMY) }),
    },
    body: BODY,
    startCluster: (directory) => options.startCluster(directory),
    async startBus(entities) {
      const started = await startBroker({ entities });
      broker = started;
      return { connectionString: started.connectionString, pid: process.pid, stop: () => started.close() };
    },
    tableEndpoint: tables.endpoint,
  });
  const module = loadModules(servers.connections.modulesDir).find(({ name }) => name === FULL);
  if (!broker || !module) throw new Error("the servers started without a bus or a module");
  await seed(servers.connections, tables, broker.namespace.receivable(FULL), { module, ...options });
  if (options.closed !== undefined)
    tables.seed(servers.connections.tableName, historyRows(module, { closed: options.closed, now: Date.now() }));
  return {
    servers,
    tables,
    async stop() {
      await servers.stop();
      await tables.close();
    },
  };
}
