import { wholeNumber } from "../local/kit/whole-number.ts";
import { type Command, parseFlags, readCommandLine } from "../shared/command-line.ts";
import { countAccept, measureAccept } from "./measure-accept.ts";
import { measureTicks } from "./measure-tick.ts";
import { Processes } from "./processes.ts";
import { type AcceptFigures, machineText, reportText } from "./report.ts";

// `npm run bench` measures how fast the app is on this machine, and what the same requests cost without the app. Each
// server has a process of its own. The program prints figures and does not judge them: its exit code only says whether
// it could measure.

const COMMAND = {
  usage: "npm run bench -- [FLAGS]",
  does: "Measures how fast the app is on this machine, and what the same requests cost without it.",
  flags: {
    messages: { type: "string", default: "2000", value: "N", says: "how many messages are accepted in each round" },
    open: { type: "string", default: "1000,10000", value: "N,N,...", says: "how many open runs a tick reconciles" },
    rounds: {
      type: "string",
      default: "3",
      value: "N",
      says: "how many rounds are measured; the printed figures are their medians",
    },
    "node-options": {
      type: "string",
      default: "",
      value: "FLAGS",
      says: "flags of Node for the process of the app, such as --node-options=--max-old-space-size=128",
    },
  },
} as const satisfies Command;

interface Args {
  readonly messages: number;
  readonly open: readonly number[];
  readonly rounds: number;
  readonly nodeOptions: string;
}

/** Reads the command line. Throws an Error that says which flag is wrong. */
function readArgs(args: readonly string[]): Args {
  const { values } = parseFlags(COMMAND, args);
  return {
    messages: wholeNumber("messages", values.messages, 1, 50_000),
    open: values.open.split(",").map((part) => wholeNumber("open", part, 1, 50_000)),
    rounds: wholeNumber("rounds", values.rounds, 1, 100),
    nodeOptions: values["node-options"],
  };
}

function progress(what: string): void {
  process.stderr.write(`${what}\n`);
}

async function measure(processes: Processes, { messages, open, rounds }: Args): Promise<string> {
  const app: AcceptFigures["app"][number][] = [];
  const bare: AcceptFigures["bare"][number][] = [];
  // The app and the bare calls take turns, so that other work of the machine slows both.
  for (let round = 1; round <= rounds; round += 1) {
    progress(`accepting ${messages} messages: round ${round} of ${rounds}`);
    app.push(await measureAccept(processes, "app", messages));
    progress(`the same as bare calls: round ${round} of ${rounds}`);
    bare.push(await measureAccept(processes, "bare", messages));
  }
  progress("counting the requests of a message");
  const requests = { app: await countAccept(processes, "app"), bare: await countAccept(processes, "bare") };
  const ticks = await measureTicks(processes, open, rounds, progress);
  return reportText({ messages, app, bare, requests }, ticks);
}

const args = readCommandLine(COMMAND, readArgs);
const processes = new Processes(args.nodeOptions);
const interrupted = new Promise<never>((_resolve, reject) => {
  const stop = () => reject(new Error("interrupted"));
  process.once("SIGINT", stop).once("SIGTERM", stop);
});

try {
  const flags = args.nodeOptions === "" ? "" : `, the app's process with ${args.nodeOptions}`;
  process.stdout.write(
    `${machineText()}\nmedians of ${args.rounds} rounds; all processes share the machine${flags}\n\n`,
  );
  const text = await Promise.race([measure(processes, args), processes.failed, interrupted]);
  process.stdout.write(`${text}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await processes.stopAll();
}
// A measurement that was cut off may have left timers and sockets, which must not keep this process running.
if (process.exitCode === 1) process.exit();
