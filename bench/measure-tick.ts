import { addOpenRuns } from "./open-runs.ts";
import type { Processes, Program } from "./processes.ts";
import {
  type Connections,
  countRequests,
  countsPer,
  type RequestCounts,
  type Servers,
  startBare,
  startServers,
} from "./servers.ts";
import { Ticking } from "./ticking.ts";

/**
 * How many ticks are not measured. The first loads code and purges the history, and the second still runs cold code.
 */
const WARM_UP = 2;

/** The figures of ticks over so many open runs. */
export interface TickFigures {
  readonly open: number;
  /** The time of each tick, as the program itself says it. */
  readonly ms: { readonly app: readonly number[]; readonly bare: readonly number[] };
  readonly requests: { readonly app: RequestCounts; readonly bare: RequestCounts };
  readonly peakMib: { readonly app: number | undefined; readonly bare: number | undefined };
}

/** Measures ticks over each of these numbers of open runs, on the same servers, beginning with the smallest number. */
export async function measureTicks(
  processes: Processes,
  sizes: readonly number[],
  ticks: number,
  progress: (what: string) => void,
): Promise<TickFigures[]> {
  const servers = await startServers(processes);
  const figures: TickFigures[] = [];
  let made = 0;
  for (const open of sizes.toSorted((a, b) => a - b)) {
    progress(`making ${open} open runs`);
    await addOpenRuns(servers.connections, open - made);
    made = open;
    progress(`reconciling ${open} open runs`);
    const app = await appTicks(servers, open, ticks);
    const bare = await bareTicks(processes, servers.connections, open, ticks);
    const requests = await countTicks(processes, servers, open);
    figures.push({
      open,
      ms: { app: app.ms, bare: bare.ms },
      requests,
      peakMib: { app: app.peakMib, bare: bare.peakMib },
    });
  }
  await servers.stop();
  return figures;
}

interface Ticks {
  readonly ms: readonly number[];
  readonly peakMib: number | undefined;
}

/** Starts the app beside the open runs, and measures so many of its ticks. */
async function appTicks(servers: Servers, open: number, ticks: number): Promise<Ticks> {
  const said = new Ticking();
  const app = await servers.startApp({ schedule: "* * * * * *", onLine: said.take });
  await said.until(WARM_UP + ticks);
  return end(app, said, open);
}

async function bareTicks(processes: Processes, connections: Connections, open: number, ticks: number): Promise<Ticks> {
  const said = new Ticking();
  const bare = await startBareTicks(processes, connections, WARM_UP + ticks, said);
  await said.until(WARM_UP + ticks);
  return end(bare, said, open);
}

/** Counts what a warm tick asks of each server. */
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
  const app = await during((said) => servers.startApp({ schedule: "* * * * * *", onLine: said.take, connections }));
  const bare = await during((said) => startBareTicks(processes, connections, WARM_UP + 1, said));
  await counted.close();
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

async function end(program: Program, said: Ticking, open: number): Promise<Ticks> {
  const peakMib = await program.stop();
  const ticks = said.ticks.slice(WARM_UP);
  const wrong = ticks.find((tick) => tick.open !== open || tick.atWork !== open);
  if (wrong)
    throw new Error(`a tick over ${open} active runs saw ${wrong.open} runs and ${String(wrong.atWork)} active Jobs`);
  return { ms: ticks.map(({ ms }) => ms), peakMib };
}
