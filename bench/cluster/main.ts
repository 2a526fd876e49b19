import { parseArgs } from "node:util";
import { wholeNumber } from "../../local/kit/whole-number.ts";
import { Processes } from "../processes.ts";
import { machineText } from "../report.ts";
import { measureOnCluster } from "./measure.ts";
import { clusterText } from "./report.ts";
import type { ClusterOptions } from "./watch-taker.ts";

// `npm run bench:cluster`: what the app costs, and how fast it is, on a real control plane with thousands of Jobs open. etcd, API server,
// controller manager and scheduler are real; the nodes are kwok's, which only say that they run their pods. It judges nothing, as `npm run
// bench` doesn't, and needs what `npm run test:cluster` needs.

const USAGE = `usage: npm run bench:cluster -- [--open N] [--messages N] [--per-second N] [--kib N,N,...] [--ticks N] [--node-options FLAGS]
  --open N        Jobs that are at work all the while (5000)
  --messages N    that come and go among them (200)
  --per-second N  so many of them (5)
  --kib N,...     sizes of the messages, body and properties together, each on a cluster of its own (1,16)
  --ticks N       of which the median is printed (5)
  --node-options  Node's flags for the app's process (those of the images)`;

/** As in the images. */
const NODE_OPTIONS = "--max-old-space-size=96 --max-semi-space-size=8";

interface Args {
  readonly sizes: readonly ClusterOptions[];
  readonly nodeOptions: string;
}

/** Undefined where the flags are wrong, which is said on stderr. */
function readArgs(): Args | undefined {
  try {
    const { values } = parseArgs({
      options: {
        open: { type: "string", default: "5000" },
        messages: { type: "string", default: "200" },
        "per-second": { type: "string", default: "5" },
        kib: { type: "string", default: "1,16" },
        ticks: { type: "string", default: "5" },
        "node-options": { type: "string", default: NODE_OPTIONS },
      },
    });
    const options = {
      open: wholeNumber("open", values.open, 1, 50_000),
      messages: wholeNumber("messages", values.messages, 1, 10_000),
      perSecond: wholeNumber("per-second", values["per-second"], 1, 100),
      ticks: wholeNumber("ticks", values.ticks, 1, 100),
    };
    const sizes = values.kib.split(",").map((part) => ({ ...options, messageKib: wholeNumber("kib", part, 1, 16) }));
    return { sizes, nodeOptions: values["node-options"] };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    return undefined;
  }
}

async function measure(processes: Processes, sizes: readonly ClusterOptions[]): Promise<void> {
  for (const options of sizes) {
    const figures = await measureOnCluster(processes, options, (what) => process.stderr.write(`${what}\n`));
    process.stdout.write(`${clusterText(figures)}\n\n`);
  }
}

const args = readArgs() ?? process.exit(2);
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
// What a measurement that was cut off left under way must not keep this process.
if (process.exitCode === 1) process.exit();
