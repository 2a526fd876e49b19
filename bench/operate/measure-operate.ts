import { type Pair, withBoth } from "../backlog/pair.ts";
import { startWorld } from "../backlog/world.ts";
import type { Processes } from "../processes.ts";
import { startStubCluster } from "../servers.ts";
import { AUDIT, type CommandFigures, LOOKS, measureCommands } from "./measure-commands.ts";
import { measureIdle } from "./measure-idle.ts";
import { type LookFigures, measureLooks } from "./measure-looks.ts";
import { measurePage, type PageFigures } from "./measure-page.ts";
import type { RedriveFigures } from "./redrive-letters.ts";

/** How often each view is called in a round. */
const CALLS_PER_ROUND = 20;
/** How often each command is run in a round. */
const RUNS_PER_ROUND = 5;

/** How many runs an operator looks at. All are of one module and one source. */
interface Operated {
  readonly working: number;
  readonly waiting: number;
  readonly later: number;
  readonly held: number;
  readonly closed: number;
}

export interface OperateOptions {
  readonly runs: Operated;
  /** How many dead letters are redriven. */
  readonly letters: number;
  /** How many Jobs are at work that are audited. */
  readonly audited: number;
  readonly rounds: number;
}

export interface OperateFigures {
  readonly options: OperateOptions;
  readonly looks: readonly LookFigures[];
  readonly redrive: RedriveFigures | undefined;
  readonly commands: readonly CommandFigures[];
  readonly page: PageFigures;
  /** MiB that the app's process holds in each round, without closed runs and with them. */
  readonly idleMib: Pair<readonly number[]>;
}

/** Measures an operator's views and commands, and what the rows for them cost the app while nothing happens. */
export async function measureOperate(
  processes: Processes,
  options: OperateOptions,
  progress: (what: string) => void,
): Promise<OperateFigures> {
  const { runs, audited, rounds } = options;
  const worlds = await withBoth({ none: 0, many: runs.closed }, (closed) => {
    const { working, waiting, later, held } = runs;
    progress(`filling servers with ${working + waiting + later + held} open runs and ${closed} closed ones`);
    const startCluster = (directory: string) => startStubCluster(processes, directory);
    // No slot is free, because those that wait would start otherwise.
    return startWorld(processes, { ...runs, closed, maxActive: working, isAlone: true, startCluster });
  });
  progress(`the memory of an idle app beside each: ${rounds} rounds`);
  const idleMib = await measureIdle(worlds, rounds);
  progress("the page: its API, its first paint, and what an open view costs the app");
  const page = await measurePage(
    processes,
    worlds.many.servers,
    { calls: rounds * CALLS_PER_ROUND, closed: runs.closed, rounds },
    progress,
  );
  progress(`calling each view ${rounds * CALLS_PER_ROUND} times, and redriving ${options.letters} dead letters`);
  const { connections } = worlds.many.servers;
  const { looks, redrive } = await measureLooks(processes, connections, {
    calls: rounds * CALLS_PER_ROUND,
    closed: runs.closed,
    letters: options.letters,
  });
  progress(`running each command ${rounds * RUNS_PER_ROUND} times`);
  const commands = await measureCommands(processes, worlds.many.servers, LOOKS, rounds * RUNS_PER_ROUND);
  await withBoth(worlds, (world) => world.stop());
  progress(`auditing ${audited} Jobs at work ${rounds} times`);
  const audits = await measureAudit(processes, audited, rounds);
  return { options, looks, redrive, commands: [...commands, ...audits], page, idleMib };
}

/** Measures the audit beside so many Jobs at work, and nothing else. */
async function measureAudit(processes: Processes, working: number, runs: number): Promise<CommandFigures[]> {
  const startCluster = (directory: string) => startStubCluster(processes, directory);
  const options = { working, waiting: 0, maxActive: working, isAlone: true, startCluster };
  const world = await startWorld(processes, options);
  const figures = await measureCommands(processes, world.servers, [AUDIT], runs);
  await world.stop();
  return figures.map((one) => ({ ...one, what: `${one.what}, of ${working} Jobs at work` }));
}
