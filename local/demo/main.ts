import { type Command, parseFlags, readCommandLine } from "../../shared/command-line.ts";
import { CLUSTER_FLAGS, type ClusterChoice, chooseCluster } from "../stack/cluster-flags.ts";
import { neededEnvironment } from "../stack/own-environment.ts";
import { jsonReport, textReport } from "./report.ts";
import { runDemo } from "./run-demo.ts";

// `npm run demo` takes messages of every kind from the bus to Jobs and back, on this machine. It exits 0 only if each
// message ended as its sample expects, and the bus holds nothing else.

const COMMAND = {
  usage: "npm run demo -- [FLAGS]",
  does: "Sends messages of every kind through the whole path on this machine, and says how each ended.",
  flags: {
    json: { type: "boolean", default: false, says: "one JSON object a line for each message, and a summary last" },
    ...CLUSTER_FLAGS,
  },
  notes: "Ends with 0 if each message ended as its sample says, 1 if not, 2 for wrong flags.",
} as const satisfies Command;

const LIMIT_MS = 120_000;

interface Args {
  readonly json: boolean;
  readonly cluster: ClusterChoice;
}

/** Throws an Error that says which flag is wrong. */
function readArgs(args: readonly string[]): Args {
  const { values } = parseFlags(COMMAND, args);
  return { json: values.json, cluster: chooseCluster(values) };
}

const args = readCommandLine(COMMAND, readArgs);
const interrupted = new AbortController();
process.on("SIGINT", () => interrupted.abort());
process.on("SIGTERM", () => interrupted.abort());
process.on("SIGHUP", () => interrupted.abort());

try {
  const isRight = await runDemo({
    cluster: args.cluster,
    report: args.json ? jsonReport() : textReport(process.stdout),
    env: neededEnvironment(process.env),
    limitMs: LIMIT_MS,
    interrupted: interrupted.signal,
  });
  process.exitCode = isRight ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
