import { Option } from "@commander-js/extra-typings";
import { makeCommand, wholeNumber } from "../../shared/command-line.ts";
import { IMAGE_FLAGS } from "../image-flags.ts";
import { Processes } from "../processes.ts";
import { machineText } from "../report.ts";
import { measureOnCluster } from "./measure.ts";
import { clusterText } from "./report.ts";
import type { ClusterOptions } from "./watch-program.ts";

// `npm run bench:cluster` measures what the app costs, and how fast it is, on a real control plane with thousands of
// Jobs at work. etcd, API server, controller manager and scheduler are real. The nodes are kwok's, which only say that
// they run their pods. Like `npm run bench`, it does not judge the figures. It needs what `npm run test:cluster` needs.

const COMMAND = makeCommand("npm run bench:cluster --")
  .description("Measures what the app costs, and how fast it is, on a real control plane with thousands of Jobs open.")
  .option("--open <n>", "how many Jobs are at work all the while", wholeNumber(1, 50_000), 5000)
  .option("--messages <n>", "how many messages come and go among them", wholeNumber(1, 10_000), 600)
  .option("--per-second <n>", "how many of them come each second", wholeNumber(1, 100), 5)
  .addOption(
    new Option("--kib <n,n,...>", "sizes of the messages, body and properties together, each on a cluster of its own")
      .argParser((text) => text.split(",").map(wholeNumber(1, 16)))
      .default([1, 16], "1,16"),
  )
  .option("--minutes <n>", "how many minutes are watched without messages", wholeNumber(1, 100), 2)
  .option("--rounds <n>", "how often the app and the others take turns in what is compared", wholeNumber(1, 100), 10)
  .option("--node-options <flags>", "Node's flags for the app's process", IMAGE_FLAGS);

async function measure(processes: Processes, sizes: readonly ClusterOptions[]): Promise<void> {
  for (const options of sizes) {
    const figures = await measureOnCluster(processes, options, (what) => process.stderr.write(`${what}\n`));
    process.stdout.write(`${clusterText(figures)}\n\n`);
  }
}

const { kib, nodeOptions, ...options } = COMMAND.parse().opts();
const sizes = kib.map((messageKib) => ({ ...options, messageKib }));
const processes = new Processes(nodeOptions);
const interrupted = new Promise<never>((_resolve, reject) => {
  const stop = () => reject(new Error("interrupted"));
  process.once("SIGINT", stop).once("SIGTERM", stop);
});

try {
  process.stdout.write(`${machineText()}\nall processes share the machine; the app's with ${nodeOptions}\n\n`);
  await Promise.race([measure(processes, sizes), processes.failed, interrupted]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await processes.stopAll();
}
// A measurement that was cut off may have left timers and sockets, which must not keep this process running.
if (process.exitCode === 1) process.exit();
