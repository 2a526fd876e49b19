import pLimit from "p-limit";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { bareJobs } from "../cluster/bare-jobs.ts";
import { SLOTS, type Stage } from "./contender.ts";
import { type Fate, fateOf } from "./fate.ts";
import { type Order, ordersOf } from "./order.ts";
import { atPace, PACE_MS, type PeersOptions } from "./scenarios.ts";

/** The fates of the same Jobs without messages. `goneAt` is when the cluster has called the Job complete. */
export interface BareFigures {
  readonly singles: readonly Fate[];
  readonly burst: readonly Fate[];
}

/**
 * Measures how fast the cluster itself is. It gets the Jobs that the Dispatcher would make of the messages. In the burst
 * it gets the next one at the moment at which one is complete.
 */
export async function measureBare(stage: Stage, { singles, burst }: PeersOptions): Promise<BareFigures> {
  const { cluster, servers, reports, progress } = stage;
  const module = loadModules(servers.connections.modulesDir).find(({ name }) => name === "work");
  if (module === undefined) throw new Error("there is no module for bare Jobs");
  const jobs = await bareJobs(cluster, module);
  const run = async (order: Order): Promise<Fate> => {
    const enqueuedAt = Date.now();
    const podSucceededAt = await jobs.run(order.id, JSON.stringify(order));
    const fate = fateOf({ enqueuedAt, goneAt: Date.now() }, reports.of(order.id));
    return { ...fate, ...(podSucceededAt === undefined ? {} : { podSucceededAt }) };
  };

  progress(`bare cluster: ${singles} single Jobs`);
  const single: Promise<Fate>[] = [];
  await atPace(ordersOf("bare-single", singles), PACE_MS, async (order) => void single.push(run(order)));
  const ofSingles = await Promise.all(single);
  progress(`bare cluster: ${burst} Jobs`);
  const startedAt = Date.now();
  const ofBurst = await pLimit(SLOTS.work).map(ordersOf("bare-burst", burst), run);
  jobs.stop();
  // A Job that waited for its slot counts from the beginning, as a message does.
  return { singles: ofSingles, burst: ofBurst.map((fate) => ({ ...fate, sentAt: startedAt })) };
}
