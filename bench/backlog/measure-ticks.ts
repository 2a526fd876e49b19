import type { TableCounts } from "../../local/table-server/start-table-server.ts";
import { type Program, spentMs } from "../processes.ts";
import { Ticking } from "../ticking.ts";
import type { Pair } from "./pair.ts";
import { countsBetween } from "./table-counts.ts";
import type { World } from "./world.ts";

/** How many ticks are not measured. The first loads code, purges the history and lists bodies. */
const WARM_UP = 2;
/** The two worlds tick in turn, so that other work of the machine slows both. */
const SCHEDULES: Pair<string> = { none: "*/4 * * * * *", many: "2-59/4 * * * * *" };

export interface TickFigures {
  /** The time of each tick, as the app itself says it. */
  readonly ms: readonly number[];
  /** Processor ms of the app's process for a tick, on average; NaN if the platform doesn't tell. */
  readonly cpuMs: number;
  /** What a tick asked of the table, on average. */
  readonly counts: TableCounts;
  readonly peakMib: number | undefined;
}

/** Measures so many ticks in each world. */
export async function measureTicks(worlds: Pair<World>, ticks: number): Promise<Pair<TickFigures>> {
  const [none, many] = await Promise.all([
    startTicking(worlds.none, SCHEDULES.none).then((app) => figuresOf(app, ticks)),
    startTicking(worlds.many, SCHEDULES.many).then((app) => figuresOf(app, ticks)),
  ]);
  return { none, many };
}

/** A running app, and what it says of its ticks. */
interface TickingApp {
  readonly app: Program;
  readonly said: Ticking;
  /** What the table had been asked for at the end of each tick. */
  readonly counts: readonly TableCounts[];
}

async function startTicking({ servers, tables }: World, schedule: string): Promise<TickingApp> {
  const counts: TableCounts[] = [];
  const said = new Ticking(() => counts.push(tables.counts()));
  return { app: await servers.startApp({ schedule, onLine: said.take }), said, counts };
}

async function figuresOf({ app, said, counts }: TickingApp, ticks: number): Promise<TickFigures> {
  const cpu = () => spentMs(app.pid);
  await said.until(WARM_UP);
  const cpuBefore = await cpu();
  // Waits for one tick after the other, because its patience is for one.
  for (let tick = 1; tick <= ticks; tick += 1) await said.until(WARM_UP + tick);
  const cpuAfter = await cpu();
  const peakMib = await app.stop();
  const [before, after] = [counts[WARM_UP - 1], counts[WARM_UP + ticks - 1]];
  if (!before || !after) throw new Error("the requests of the ticks were not counted");
  return {
    ms: said.ticks.slice(WARM_UP, WARM_UP + ticks).map(({ ms }) => ms),
    cpuMs: (cpuAfter - cpuBefore) / ticks,
    counts: countsBetween(before, after, ticks),
    peakMib,
  };
}
