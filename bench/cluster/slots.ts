import pLimit from "p-limit";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import type { Processes } from "../processes.ts";
import { makeSending } from "../sending.ts";
import { startServers } from "../servers.ts";
import type { Pairs } from "../table.ts";
import { USUAL_TICKS } from "../ticking.ts";
import { bareJobs } from "./bare-jobs.ts";
import { type RealCluster, withNamespace } from "./real-cluster.ts";
import { ProgramOutput } from "./watch-program.ts";

const QUEUE = "short";
/** How many Jobs are in flight. */
export const SLOTS = 20;
/** How many Jobs a round runs. */
const JOBS = 100;

export interface SlotsOptions {
  readonly rounds: number;
  /** The text of a module with so many slots, whose Jobs are short. */
  readonly moduleText: (queue: string, slots: number) => string;
  readonly body: string;
}

/**
 * Measures how many short Jobs a second get through a few slots. The bare cluster gets the next Job at the moment at
 * which one is complete. The app gets all messages at once. They take turns, each in a namespace of its own.
 */
export async function fillSlots(
  processes: Processes,
  cluster: RealCluster,
  { rounds, moduleText, body }: SlotsOptions,
  progress: (what: string) => void,
): Promise<Pairs<number>> {
  return withNamespace(cluster, (forApp) =>
    withNamespace(cluster, async (forBare) => {
      const servers = await startServers(processes, {
        modules: { [QUEUE]: moduleText(QUEUE, SLOTS) },
        body,
        // The cluster stays when these servers end.
        startCluster: async () => ({ ...forApp, pid: cluster.pid, stop: async () => {} }),
      });
      const [module] = loadModules(servers.connections.modulesDir);
      if (!module) throw new Error(`no module in ${servers.connections.modulesDir}`);
      const { ticking, settlements, onLine } = new ProgramOutput();
      const app = await servers.startApp({ schedule: USUAL_TICKS, onLine });
      const sending = makeSending(servers.connections.serviceBus, { queues: [QUEUE], body });
      const jobs = await bareJobs(forBare, module);
      const limit = pLimit(SLOTS);

      const ofApp = () =>
        perSecond(async () => {
          const goal = settlements.count + JOBS;
          await sending.send(JOBS);
          await settlements.until(goal);
        });
      const ofBare = () =>
        perSecond(async () => {
          await limit.map(Array.from({ length: JOBS }), (_, n) => jobs.run(`bare-${n}`, body));
        });
      const figures = { app: [] as number[], bare: [] as number[] };
      // The first tick lists, and the watch begins there.
      await ticking.until(1);
      // The first round is not measured, so that code and connections are warm.
      await ofApp();
      await ofBare();
      for (let round = 1; round <= rounds; round += 1) {
        progress(`${JOBS} short Jobs, ${SLOTS} at a time: round ${round} of ${rounds}`);
        figures.app.push(await ofApp());
        figures.bare.push(await ofBare());
      }
      jobs.stop();
      await sending.close();
      await app.stop();
      await servers.stop();
      return figures;
    }),
  );
}

/** Runs all Jobs of a round. Resolves to how many there were each second. */
async function perSecond(runAll: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await runAll();
  return (JOBS * 1000) / (performance.now() - startedAt);
}
