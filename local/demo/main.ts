import { chooseCluster, makeClusterCommand } from "../stack/cluster-flags.ts";
import { neededEnvironment } from "../stack/own-environment.ts";
import { jsonReport, textReport } from "./report.ts";
import { runDemo } from "./run-demo.ts";

// `npm run demo` takes messages of every kind from the bus to Jobs and back, on this machine. It exits 0 only if each
// message ended as its sample expects, and the bus holds nothing else.

const COMMAND = makeClusterCommand("npm run demo --")
  .description("Sends messages of every kind through the whole path on this machine, and says how each ended.")
  .option("--json", "one JSON object a line for each message, and a summary last")
  .addHelpText("after", "\nEnds with 0 if each message ended as its sample says, 1 if not, 2 for wrong flags.");

const LIMIT_MS = 120_000;

const flags = COMMAND.parse().opts();
const cluster = chooseCluster(flags, COMMAND);
const interrupted = new AbortController();
process.on("SIGINT", () => interrupted.abort());
process.on("SIGTERM", () => interrupted.abort());
process.on("SIGHUP", () => interrupted.abort());

try {
  const isRight = await runDemo({
    cluster,
    report: flags.json ? jsonReport() : textReport(process.stdout),
    env: neededEnvironment(process.env),
    limitMs: LIMIT_MS,
    interrupted: interrupted.signal,
  });
  process.exitCode = isRight ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
