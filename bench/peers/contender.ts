import type { Binaries } from "../../real-cluster/binaries.ts";
import type { ClusterRecord } from "../../real-cluster/cluster-record.ts";
import type { Kubectl } from "../../real-cluster/kubectl.ts";
import type { RealCluster } from "../cluster/real-cluster.ts";
import type { Servers } from "../servers.ts";
import type { Account } from "./account.ts";
import type { PeersBus } from "./bus.ts";
import type { Kind } from "./order.ts";
import type { WorkerReports } from "./worker-reports.ts";

/** The cluster, the bus and the workers that all contenders share, one after another. */
export interface Stage {
  readonly cluster: RealCluster;
  readonly record: ClusterRecord;
  readonly binaries: Binaries;
  readonly kubectl: Kubectl;
  readonly servers: Servers;
  readonly bus: PeersBus;
  readonly reports: WorkerReports;
  readonly progress: (what: string) => void;
}

/** One that makes Jobs of messages, while it runs. */
export interface Contender {
  readonly name: string;
  /** Begins the ids of its messages. */
  readonly id: string;
  readonly pid: number;
  readonly account: Account;
  /** Which Jobs are of the template whose image does not exist, as a label selector. */
  readonly brokenJobs: string;
  queueOf(kind: Kind): string;
  stop(): Promise<void>;
}

/** The image of every worker, and one that does not exist. */
export const IMAGE = "localhost/queue-worker:1";
export const ABSENT_IMAGE = "localhost/absent:1";
export const RESOURCES = { requests: { cpu: "5m", memory: "16Mi" } };

/** How many Jobs of a kind may run at once. */
export const SLOTS = { work: 20, dying: 5, broken: 20, good: 20 } as const satisfies Record<Kind, number>;
/** How often a message whose worker always dies is tried. */
export const TRIES = 3;
