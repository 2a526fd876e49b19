import { Option } from "@commander-js/extra-typings";
import { makeCommand, wholeNumber } from "../../shared/command-line.ts";
import { IMAGE_FLAGS } from "../image-flags.ts";
import { Processes } from "../processes.ts";
import { machineText } from "../report.ts";
import { measurePeers } from "./measure.ts";
import { peersText } from "./report.ts";

// `npm run bench:peers` puts the Dispatcher beside KEDA's ScaledJob, on one real cluster whose node runs the pods. Both
// get the same messages, and start the same worker. Bare Jobs show how fast the cluster itself is. Like `npm run
// bench`, it does not judge the figures. It needs what `npm run test:cluster` needs.

const COMMAND = makeCommand("npm run bench:peers --")
  .description("Measures the Dispatcher beside KEDA's ScaledJob, with the same messages and workers on a real cluster.")
  .option("--singles <n>", "how many single messages are sent", wholeNumber(1, 1000), 30)
  .option("--burst <n>", "how many messages are sent at once", wholeNumber(1, 1000), 200)
  .addOption(
    new Option("--polls <n,n,...>", "the seconds between KEDA's polls; each is measured by itself")
      .argParser((text) => text.split(",").map(wholeNumber(1, 600)))
      .default([5, 30], "5,30"),
  )
  .option(
    "--watch-seconds <n>",
    "how long each is watched with nothing to do, and with a broken image",
    wholeNumber(1, 3600),
    90,
  );

const { polls, ...options } = COMMAND.parse().opts();
const processes = new Processes(IMAGE_FLAGS);
const interrupted = new Promise<never>((_resolve, reject) => {
  const stop = () => reject(new Error("interrupted"));
  process.once("SIGINT", stop).once("SIGTERM", stop);
});
const progress = (what: string) => void process.stderr.write(`${what}\n`);

try {
  const measured = measurePeers(processes, options, polls, progress);
  const figures = await Promise.race([measured, processes.failed, interrupted]);
  const { kubernetes, keda } = figures.versions;
  process.stdout.write(`${machineText()}\nKubernetes ${kubernetes}, KEDA ${keda}; all processes share the machine\n\n`);
  process.stdout.write(`${peersText(figures)}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await processes.stopAll();
}
// The bus in this process leaves timers of its connections behind, which must not keep the process running.
process.exit();
