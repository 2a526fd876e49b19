// Starts, ends and shows a real Kubernetes cluster on this machine. Stdout gets only the path of the kubeconfig.
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { makeCommand } from "../shared/command-line.ts";
import { buildBinaries, missingBinary, testedBinaries } from "./binaries.ts";
import { defaultCacheRoot, startCluster, stopCluster } from "./cluster.ts";
import { allRecords, type ClusterRecord } from "./cluster-record.ts";
import { inspectMachine } from "./machine.ts";
import { isRunning } from "./server-process.ts";

const COMMAND = makeCommand("npm run cluster --")
  .description("Starts, ends and shows a real Kubernetes cluster on this machine.")
  .configureHelp({ showGlobalOptions: true })
  .helpCommand(false)
  .option("--name <name>", "which cluster: one machine can have several", clusterName, "default");
COMMAND.command("build")
  .description("build the programs that the tests on a cluster need, if they are missing, and start nothing")
  .action(build);
COMMAND.command("up")
  .description("start a one-node Kubernetes cluster, and print the path of its kubeconfig")
  .action(up);
COMMAND.command("down").description("end it, with everything that belongs to it").action(down);
COMMAND.command("status").description("say which clusters run, and what of them").action(status);

const cacheRoot = defaultCacheRoot(process.env);
const startedAt = performance.now();
const say = (line: string) => console.error(`cluster: ${line}`);
const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

const assets = process.env["KUBEBUILDER_ASSETS"] || undefined;

/** A signal that is aborted when a person, or the program that runs this one, wants it to end. */
function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () =>
      interrupted.abort(new Error(`Interrupted by ${signal}. Nothing is left of the cluster.`)),
    );
  return interrupted.signal;
}

async function build(): Promise<void> {
  const sources = testedBinaries(cacheRoot, assets);
  await inspectMachine(cacheRoot, await missingBinary(sources));
  await buildBinaries(sources, { say, signal: interruption() });
  say(`all programs are built, after ${seconds()}`);
}

async function up(): Promise<void> {
  const { name } = COMMAND.opts();
  const cluster = await startCluster({ name, cacheRoot, assets, isOwned: false, say, signal: interruption() });
  say(`${name} is up after ${seconds()}; pods reach this machine at ${cluster.gateway}`);
  console.log(cluster.kubeconfig);
}

async function down(): Promise<void> {
  const { name } = COMMAND.opts();
  const wasThere = await stopCluster(name, cacheRoot);
  say(wasThere ? `${name} is down after ${seconds()}` : `there is no cluster ${name}, so there is nothing to end`);
}

async function status(): Promise<void> {
  const records = await allRecords(cacheRoot);
  if (records.length === 0) say("there is no cluster on this machine. Start one with: npm run cluster -- up");
  for (const record of records) show(record);
  process.exitCode = records.length > 0 && records.every(isWhole) ? 0 : 1;
}

function show(record: ClusterRecord): void {
  const state = record.stage === "starting" ? "starting" : isWhole(record) ? "up" : "parts are gone";
  console.log(`${record.name}: ${state}, since ${record.startedAt}\n  kubeconfig  ${record.kubeconfig}`);
  for (const part of record.processes)
    console.log(`  ${part.name.padEnd(24)} ${isRunning(part) ? `process ${part.pid}` : "gone"}`);
}

function isWhole(record: ClusterRecord): boolean {
  return record.stage === "up" && record.processes.every(isRunning);
}

function clusterName(text: string): string {
  if (/^[a-z\d][a-z\d-]{0,30}$/.test(text)) return text;
  throw new InvalidArgumentError("A name has up to 31 lower-case letters, digits and hyphens.");
}

try {
  await COMMAND.parseAsync();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
