import { Deliveries } from "./deliveries.ts";
import { type Processes, type Program, spentMs } from "./processes.ts";
import { makeSending } from "./sending.ts";
import { QUEUE, startServers } from "./servers.ts";
import { USUAL_TICKS } from "./ticking.ts";

/** How many messages each replica gets before anything is measured, so that code and connections are warm. */
const WARM_UP = 300;
/**
 * How many messages a second come for each replica. The machine must keep up with those of all: a program that has to
 * wait for a processor does several things at once when it gets one, and each of them costs less.
 */
const PER_SECOND = 20;
const PORTIONS_PER_SECOND = 4;
const SECONDS = 20;

/**
 * Measures what accepting costs replicas that share a source, on servers of their own. Messages come at a steady pace,
 * as many for each replica as a single one would get. Resolves to the processor ms of all replicas per message; NaN if
 * the platform doesn't tell. Rejects if a message gets no Job at once.
 */
export async function measureReplicas(processes: Processes, replicas: number): Promise<number> {
  const servers = await startServers(processes);
  const deliveries = new Deliveries();
  const apps: Program[] = [];
  while (apps.length < replicas) apps.push(await servers.startApp({ schedule: USUAL_TICKS, onLine: deliveries.take }));
  const sending = makeSending(servers.connections.serviceBus, { queues: [QUEUE] });
  const spent = () => spentMs(...apps.map(({ pid }) => pid));
  await sending.send(replicas * WARM_UP);
  await deliveries.until(replicas * WARM_UP);

  const messages = replicas * PER_SECOND * SECONDS;
  const goal = deliveries.count + messages;
  const before = await spent();
  for (let portion = 0; portion < SECONDS * PORTIONS_PER_SECOND; portion += 1) {
    const pause = new Promise((resolve) => setTimeout(resolve, 1000 / PORTIONS_PER_SECOND));
    await sending.send((replicas * PER_SECOND) / PORTIONS_PER_SECOND);
    await pause;
  }
  await deliveries.until(goal);
  const after = await spent();

  await sending.close();
  deliveries.require("dispatched", goal);
  for (const app of apps) await app.stop();
  await servers.stop();
  return (after - before) / messages;
}
