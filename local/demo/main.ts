import { parseArgs } from "node:util";
import { CLUSTER_FLAGS, CLUSTER_USAGE, type ClusterChoice, chooseCluster } from "../stack/cluster-flags.ts";
import { neededEnvironment } from "../stack/own-environment.ts";
import { jsonReport, textReport } from "./report.ts";
import { runDemo } from "./run-demo.ts";

// `npm run demo`: the whole path on this machine, with messages of every kind, from the bus to Jobs and back. Exits 0 only if each message
// ended as its sample says, and the bus holds what it should.

const USAGE = `usage: npm run demo -- [--json] [--kubeconfig FILE [--namespace NS] [--image IMAGE] [--address IP]]
  --json              one JSON object a line for each message, and a summary last
${CLUSTER_USAGE}`;

const LIMIT_MS = 120_000;

interface Args {
  readonly json: boolean;
  readonly cluster: ClusterChoice;
}

/** Undefined where the flags are wrong, which is said on stderr. */
function readArgs(): Args | undefined {
  try {
    const { values } = parseArgs({ options: { json: { type: "boolean", default: false }, ...CLUSTER_FLAGS } });
    return { json: values.json, cluster: chooseCluster(values) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    return undefined;
  }
}

const args = readArgs() ?? process.exit(2);
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
