import { join } from "node:path";
import type { TableCounts } from "../../local/table-server/start-table-server.ts";
import { ProgramOutput } from "../cluster/watch-program.ts";
import type { Processes } from "../processes.ts";
import { makeSending } from "../sending.ts";
import { type ClusterServer, NAMESPACE } from "../servers.ts";
import { combined, countsBetween } from "./table-counts.ts";
import { ROOMY, startWorld } from "./world.ts";

/** How many messages the counts are shared out among. */
const MESSAGES = 40;
const TICKS = "*/2 * * * * *";

/** What a message asks of the table whose first Job succeeds, without what ticks ask anyway. */
export interface Lives {
  /** From its delivery, at which it gets its Job at once, until it is settled. */
  readonly delivered: TableCounts;
  /** From its place in line until it is settled. */
  readonly fromLine: TableCounts;
}

/** Counts the lives of messages whose Jobs run as processes of this machine. */
export async function countLives(processes: Processes): Promise<Lives> {
  const world = await startWorld(processes, {
    working: 0,
    waiting: MESSAGES,
    maxActive: MESSAGES,
    startCluster: (directory) => startLocalCluster(processes, directory),
  });
  const { servers, tables } = world;
  const { ticking, settlements, onLine } = new ProgramOutput();
  const untilSettled = async (count: number) => {
    await settlements.until(count);
    // What the tick asks that settled the last one is counted as well.
    await ticking.next();
    return { counts: tables.counts(), ticks: ticking.ticks.length };
  };

  const start = { counts: tables.counts(), ticks: 0 };
  const app = await servers.startApp({ schedule: TICKS, onLine });
  const fromLine = await untilSettled(MESSAGES);
  const quiet = await untilSettled(MESSAGES);
  const sending = makeSending(servers.connections.serviceBus, { queues: [ROOMY] });
  await sending.send(MESSAGES);
  const delivered = await untilSettled(2 * MESSAGES);
  await sending.close();
  await app.stop();
  await world.stop();

  const perTick = countsBetween(fromLine.counts, quiet.counts, quiet.ticks - fromLine.ticks);
  const perMessage = (before: typeof start, after: typeof start): TableCounts => {
    const all = countsBetween(before.counts, after.counts, 1);
    return combined(all, perTick, (asked, tick) => (asked - (after.ticks - before.ticks) * tick) / MESSAGES);
  };
  return { delivered: perMessage(quiet, delivered), fromLine: perMessage(start, fromLine) };
}

async function startLocalCluster(processes: Processes, directory: string): Promise<ClusterServer> {
  const args = ["--directory", join(directory, "cluster"), "--namespace", NAMESPACE];
  const cluster = await processes.start({ name: "cluster", program: "local/cluster/main.js", args });
  return {
    kubeconfig: String(cluster.ready["kubeconfig"]),
    namespace: NAMESPACE,
    pid: cluster.pid,
    stop: () => cluster.stop(),
  };
}
