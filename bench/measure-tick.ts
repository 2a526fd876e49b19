import { addOpenRuns } from "./open-runs.ts";
import { type Processes, type Program, spentMs } from "./processes.ts";
import {
  type Connections,
  countRequests,
  countsPer,
  type RequestCounts,
  type Servers,
  startBare,
  startServers,
} from "./servers.ts";
import { median } from "./statistics.ts";
import type { Pairs } from "./table.ts";
import { Ticking } from "./ticking.ts";

/**
 * How many ticks of a process are not measured. The first loads code and purges the history, and the second still runs
 * cold code.
 */
const WARM_UP = 2;
/** How many ticks of each are measured in a round. */
const TICKS_PER_ROUND = 3;

/**
 * The app's schedule here. A watch that lasts for less than a second, during which nothing happens, is never heard of.
 * So the app doesn't trust it, and each tick lists everything, as each tick of the bare calls does. `countTicks` makes
 * sure of it.
 */
const EVERY_SECOND = "* * * * * *";

/** What one round measured of the app or of the bare calls. */
export interface TickRound {
  /** The time of a tick, as the program itself says it: the median of the round's ticks. */
  readonly ms: number;
  /** Processor ms of the program for a tick; NaN if the platform doesn't tell. */
  readonly cpuMs: number;
  readonly peakMib: number | undefined;
}

/** The figures of ticks over so many open runs. */
export interface TickFigures {
  readonly open: number;
  readonly rounds: Pairs<TickRound>;
  readonly requests: { readonly app: RequestCounts; readonly bare: RequestCounts };
}

/** Measures ticks over each of these numbers of open runs, on the same servers, beginning with the smallest number. */
export async function measureTicks(
  processes: Processes,
  sizes: readonly number[],
  rounds: number,
  progress: (what: string) => void,
): Promise<TickFigures[]> {
  const servers = await startServers(processes);
  const figures: TickFigures[] = [];
  let made = 0;
  for (const open of sizes.toSorted((a, b) => a - b)) {
    progress(`making ${open} open runs`);
    await addOpenRuns(servers.connections, open - made);
    made = open;
    const app: TickRound[] = [];
    const bare: TickRound[] = [];
    // The app and the bare calls take turns, so that other work of the machine slows both.
    for (let round = 1; round <= rounds; round += 1) {
      progress(`reconciling ${open} open runs: round ${round} of ${rounds}`);
      app.push(await appRound(servers, open));
      bare.push(await bareRound(processes, servers.connections, open));
    }
    figures.push({ open, rounds: { app, bare }, requests: await countTicks(processes, servers, open) });
  }
  await servers.stop();
  return figures;
}

/** Starts the app beside the open runs, and measures some of its ticks. */
async function appRound(servers: Servers, open: number): Promise<TickRound> {
  const said = new Ticking();
  return measured(await servers.startApp({ schedule: EVERY_SECOND, onLine: said.take }), said, open);
}

async function bareRound(processes: Processes, connections: Connections, open: number): Promise<TickRound> {
  const said = new Ticking();
  return measured(await startBareTicks(processes, connections, WARM_UP + TICKS_PER_ROUND, said), said, open);
}

async function measured(program: Program, said: Ticking, open: number): Promise<TickRound> {
  await said.until(WARM_UP);
  const before = await spentMs(program.pid);
  await said.until(WARM_UP + TICKS_PER_ROUND);
  const after = await spentMs(program.pid);
  const peakMib = await end(program, said, open);
  const ms = median(said.ticks.slice(WARM_UP, WARM_UP + TICKS_PER_ROUND).map((tick) => tick.ms));
  return { ms, cpuMs: (after - before) / TICKS_PER_ROUND, peakMib };
}

/** Counts what a warm tick asks of each server. Rejects if the app's tick was a light one. */
async function countTicks(processes: Processes, servers: Servers, open: number): Promise<TickFigures["requests"]> {
  const counted = await countRequests(servers);
  const during = async (start: (said: Ticking) => Promise<Program>): Promise<RequestCounts> => {
    // The counts are read when a tick says that it is over, because all of its requests are counted by then.
    const counts: RequestCounts[] = [];
    const said = new Ticking(() => counts.push(counted.counts()));
    const program = await start(said);
    await said.until(WARM_UP + 1);
    await end(program, said, open);
    const [before, after] = [counts[WARM_UP - 1], counts[WARM_UP]];
    if (!before || !after) throw new Error("the requests of a tick were not counted");
    return countsPer(before, after, 1);
  };
  const { connections } = counted;
  const app = await during((said) => servers.startApp({ schedule: EVERY_SECOND, onLine: said.take, connections }));
  const bare = await during((said) => startBareTicks(processes, connections, WARM_UP + 1, said));
  await counted.close();
  // A light tick would ask the cluster for the cancelled Jobs alone.
  if (app.cluster < bare.cluster) throw new Error("a tick of the app did not list everything, so it was a light one");
  return { app, bare };
}

function startBareTicks(
  processes: Processes,
  connections: Connections,
  ticks: number,
  said: Ticking,
): Promise<Program> {
  return startBare(processes, connections, ["tick", String(ticks)], said.take);
}

/** Ends a program. Resolves to the most memory that it held. Rejects if a measured tick did not see everything. */
async function end(program: Program, said: Ticking, open: number): Promise<number | undefined> {
  const peakMib = await program.stop();
  const wrong = said.ticks.slice(WARM_UP).find((tick) => tick.open !== open || tick.atWork !== open);
  if (wrong)
    throw new Error(`a tick over ${open} active runs saw ${wrong.open} runs and ${String(wrong.atWork)} active Jobs`);
  return peakMib;
}
