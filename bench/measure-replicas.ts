import { type Accepted, makeAccepting } from "./accepting.ts";
import { Deliveries } from "./deliveries.ts";
import type { Processes, Program } from "./processes.ts";
import { QUEUE, startServers } from "./servers.ts";
import { USUAL_TICKS } from "./ticking.ts";

/** How many messages each replica gets before anything is measured, so that code and connections are warm. */
const WARM_UP = 300;

/** Measures what so many replicas accept that share a source, on servers of their own. */
export async function measureReplicas(processes: Processes, replicas: number, messages: number): Promise<Accepted> {
  const servers = await startServers(processes);
  const deliveries = new Deliveries();
  const apps: Program[] = [];
  while (apps.length < replicas) apps.push(await servers.startApp({ schedule: USUAL_TICKS, onLine: deliveries.take }));
  const accepting = makeAccepting(apps, deliveries, servers.connections);
  await accepting.accept(QUEUE, replicas * WARM_UP);
  const accepted = await accepting.accept(QUEUE, messages);
  await accepting.stop();
  await servers.stop();
  return accepted;
}
