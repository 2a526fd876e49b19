import { wholeNumber } from "../../local/kit/whole-number.ts";
import { type Command, parseFlags, readCommandLine } from "../../shared/command-line.ts";
import { Processes } from "../processes.ts";
import { machineText } from "../report.ts";
import { measureOnCluster } from "./measure.ts";
import { clusterText } from "./report.ts";
import type { ClusterOptions } from "./watch-program.ts";

// `npm run bench:cluster` measures what the app costs, and how fast it is, on a real control plane with thousands of
// Jobs at work. etcd, API server, controller manager and scheduler are real. The nodes are kwok's, which only say that
// they run their pods. Like `npm run bench`, it does not judge the figures. It needs what `npm run test:cluster` needs.

/** The flags of Node in the images. */
const NODE_OPTIONS = "--max-old-space-size=96 --max-semi-space-size=8";

const COMMAND = {
  usage: "npm run bench:cluster -- [FLAGS]",
  does: "Measures what the app costs, and how fast it is, on a real control plane with thousands of Jobs at work.",
  flags: {
    open: { type: "string", default: "5000", value: "N", says: "how many Jobs are at work all the time" },
    messages: {
      type: "string",
      default: "200",
      value: "N",
      says: "how many more messages are accepted and settled meanwhile",
    },
    "per-second": { type: "string", default: "5", value: "N", says: "how many of these are sent each second" },
    kib: {
      type: "string",
      default: "1,16",
      value: "N,N,...",
      says: "how large a message is, with its properties; each size is measured on a cluster of its own",
    },
    ticks: {
      type: "string",
      default: "5",
      value: "N",
      says: "how many ticks are measured; the printed figure is their median",
    },
    "node-options": {
      type: "string",
      default: NODE_OPTIONS,
      value: "FLAGS",
      says: "flags of Node for the process of the app",
    },
  },
} as const satisfies Command;

interface Args {
  readonly sizes: readonly ClusterOptions[];
  readonly nodeOptions: string;
}

/** Reads the command line. Throws an Error that says which flag is wrong. */
function readArgs(args: readonly string[]): Args {
  const { values } = parseFlags(COMMAND, args);
  const options = {
    open: wholeNumber("open", values.open, 1, 50_000),
    messages: wholeNumber("messages", values.messages, 1, 10_000),
    perSecond: wholeNumber("per-second", values["per-second"], 1, 100),
    ticks: wholeNumber("ticks", values.ticks, 1, 100),
  };
  const sizes = values.kib.split(",").map((part) => ({ ...options, messageKib: wholeNumber("kib", part, 1, 16) }));
  return { sizes, nodeOptions: values["node-options"] };
}

async function measure(processes: Processes, sizes: readonly ClusterOptions[]): Promise<void> {
  for (const options of sizes) {
    const figures = await measureOnCluster(processes, options, (what) => process.stderr.write(`${what}\n`));
    process.stdout.write(`${clusterText(figures)}\n\n`);
  }
}

const args = readCommandLine(COMMAND, readArgs);
const processes = new Processes(args.nodeOptions);
const interrupted = new Promise<never>((_resolve, reject) => {
  const stop = () => reject(new Error("interrupted"));
  process.once("SIGINT", stop).once("SIGTERM", stop);
});

try {
  process.stdout.write(`${machineText()}\nall processes share the machine; the app's with ${args.nodeOptions}\n\n`);
  await Promise.race([measure(processes, args.sizes), processes.failed, interrupted]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await processes.stopAll();
}
// A measurement that was cut off may have left timers and sockets, which must not keep this process running.
if (process.exitCode === 1) process.exit();
