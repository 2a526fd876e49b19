import type { TableCounts } from "../../local/table-server/start-table-server.ts";
import type { Processes } from "../processes.ts";
import { startStubCluster } from "../servers.ts";
import { countLives, type Lives } from "./count-lives.ts";
import { countMessages, type MessageFigures, measureMessages, type OfKinds } from "./measure-messages.ts";
import { measureTicks, type TickFigures } from "./measure-ticks.ts";
import { type Pair, withBoth } from "./pair.ts";
import { startWorld } from "./world.ts";

/** One tick that lists everything, and the five light ones that follow it. */
const TICKS_PER_ROUND = 6;
/** How many messages of each kind a round takes on. They are few, because the runs at work should stay about as many. */
const MESSAGES_PER_ROUND = 300;

export interface BacklogOptions {
  /** How many runs are at work. */
  readonly working: number;
  /** How many wait besides, in the world in which many do. */
  readonly backlog: number;
  /** How many rounds the medians are taken of. A round has several ticks. */
  readonly rounds: number;
}

export interface BacklogFigures {
  readonly options: BacklogOptions;
  readonly ticks: Pair<TickFigures>;
  readonly messages: Pair<MessageFigures>;
  /** What a message asks of the table until its delivery is handled. */
  readonly counts: Pair<OfKinds<TableCounts>>;
  readonly lives: Lives;
}

/** Measures the app beside waiting runs and without them. Both worlds exist all the while, and take turns. */
export async function measureBacklog(
  processes: Processes,
  options: BacklogOptions,
  progress: (what: string) => void,
): Promise<BacklogFigures> {
  const { working, backlog, rounds } = options;
  const worlds = await withBoth({ none: 0, many: backlog }, (waiting) => {
    progress(`filling servers with ${working} runs at work and ${waiting} that wait`);
    const startCluster = (directory: string) => startStubCluster(processes, directory);
    // No slot is free, because those that wait would start otherwise.
    return startWorld(processes, { working, waiting, maxActive: working, startCluster });
  });
  progress(`${rounds * TICKS_PER_ROUND} ticks beside each`);
  const ticks = await measureTicks(worlds, rounds * TICKS_PER_ROUND);
  progress(`${rounds} rounds of ${MESSAGES_PER_ROUND} messages of each kind`);
  const messages = await measureMessages(worlds, { rounds, messages: MESSAGES_PER_ROUND });
  progress("counting what messages ask of the table");
  const counts = await withBoth(worlds, countMessages);
  await withBoth(worlds, (world) => world.stop());
  const lives = await countLives(processes);
  return { options, ticks, messages, counts, lives };
}
