import { Option } from "@commander-js/extra-typings";
import { makeCommand, wholeNumber } from "../shared/command-line.ts";
import { measureBacklog } from "./backlog/measure-backlog.ts";
import { backlogText } from "./backlog/report.ts";
import { IMAGE_FLAGS } from "./image-flags.ts";
import { type AcceptRound, countAccept, measureAccept } from "./measure-accept.ts";
import { measureReplicas } from "./measure-replicas.ts";
import { measureTicks } from "./measure-tick.ts";
import { measureOperate } from "./operate/measure-operate.ts";
import { operateText } from "./operate/report.ts";
import { Processes } from "./processes.ts";
import { machineText, reportText } from "./report.ts";

// `npm run bench` measures how fast the app is on this machine, and what the same requests cost without the app. Each
// server has a process of its own. The program prints figures and does not judge them: its exit code only says whether
// it could measure.

const COMMAND = makeCommand("npm run bench --")
  .description("Measures how fast the app is on this machine, beside what the same requests cost without it.")
  .option("--messages <n>", "how many messages each round takes on", wholeNumber(1, 50_000), 4000)
  .addOption(
    new Option("--open <n,n,...>", "how many open runs are reconciled")
      .argParser((text) => text.split(",").map(wholeNumber(1, 50_000)))
      .default([1000, 10_000], "1000,10000"),
  )
  .option(
    "--backlog <n>",
    "measures, instead of all else, what so many waiting messages change: ticks, accepting, memory",
    wholeNumber(1, 1_000_000),
  )
  .option("--operate", "measures, instead of all else, what an operator's looks take beside a long history")
  .option("--rounds <n>", "how many rounds the printed medians are taken of", wholeNumber(1, 100), 10)
  .option("--node-options <flags>", "Node's flags for the app's process", IMAGE_FLAGS);
const { messages, open, rounds, backlog, operate, nodeOptions } = COMMAND.parse().opts();

/** How many runs are at work beside a backlog. */
const WORKING = 1000;
/** What an operator looks at: open runs in all of their places, and closed ones. */
const OPERATED = { working: WORKING, waiting: 7_000, later: 1_000, held: 1_000, closed: 200_000 };
/** How many dead letters are redriven. */
const REDRIVEN = 10_000;
/** How many Jobs are at work while they are audited. */
const AUDITED = 10_000;
/** How many replicas share a source, where they are compared with a single one. */
const REPLICAS = 3;

function progress(what: string): void {
  process.stderr.write(`${what}\n`);
}

async function measure(processes: Processes): Promise<string> {
  if (backlog !== undefined)
    return backlogText(await measureBacklog(processes, { working: WORKING, backlog, rounds }, progress));
  if (operate === true)
    return operateText(
      await measureOperate(processes, { runs: OPERATED, letters: REDRIVEN, audited: AUDITED, rounds }, progress),
    );
  const app: AcceptRound[] = [];
  const bare: AcceptRound[] = [];
  const several: number[] = [];
  const one: number[] = [];
  // The app and the bare calls take turns, so that other work of the machine slows both.
  for (let round = 1; round <= rounds; round += 1) {
    progress(`accepting ${messages} messages: round ${round} of ${rounds}`);
    app.push(await measureAccept(processes, "app", messages));
    progress(`the same as bare calls: round ${round} of ${rounds}`);
    bare.push(await measureAccept(processes, "bare", messages));
  }
  progress("counting the requests of a message");
  const requests = { app: await countAccept(processes, "app"), bare: await countAccept(processes, "bare") };
  for (let round = 1; round <= rounds; round += 1) {
    progress(`${REPLICAS} replicas on one source, and one: round ${round} of ${rounds}`);
    several.push(await measureReplicas(processes, REPLICAS));
    one.push(await measureReplicas(processes, 1));
  }
  const ticks = await measureTicks(processes, open, rounds, progress);
  const accept = { messages, rounds: { app, bare }, requests };
  return reportText(accept, { replicas: REPLICAS, several, one }, ticks);
}

const processes = new Processes(nodeOptions);
const interrupted = new Promise<never>((_resolve, reject) => {
  const stop = () => reject(new Error("interrupted"));
  process.once("SIGINT", stop).once("SIGTERM", stop);
});

try {
  const how = `rounds: ${rounds}; all processes share the machine; the app's with ${nodeOptions}`;
  process.stdout.write(`${machineText()}\n${how}\n\n`);
  const text = await Promise.race([measure(processes), processes.failed, interrupted]);
  process.stdout.write(`${text}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await processes.stopAll();
}
// A measurement that was cut off may have left timers and sockets, which must not keep this process running.
if (process.exitCode === 1) process.exit();
