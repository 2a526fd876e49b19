import { join } from "node:path";
import { refuseSecondStack, removeState, writeState } from "../../cli/target/stack-state.ts";
import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { ConfigError, errorText } from "../../shared/errors.ts";
import { forgetState } from "../stack/kept-state.ts";
import { whenReaderIsGone } from "../stack/lost-reader.ts";
import { neededEnvironment } from "../stack/own-environment.ts";
import type { Part } from "../stack/part.ts";
import { PROJECT_ROOT } from "../stack/project-root.ts";
import { isIdle, readable } from "../stack/readable-line.ts";
import { untilReady } from "../stack/readiness.ts";
import { rejectionOf } from "../stack/rejection.ts";
import { readStackSettings } from "../stack/stack-settings.ts";
import { type Stack, startStack } from "../stack/start-stack.ts";
import { makeInterruption, SAME_PRESS_MS } from "./interruption.ts";
import { entitiesOf, introduction, loadedText } from "./introduce.ts";
import { changesOf } from "./watch-files.ts";

// `dispatcher up` runs the bus, storage, the cluster and the app on this machine, until Ctrl-C.

const READY_LIMIT_MS = 10_000;
const COUNT_TIMEOUT_MS = 2_000;

/** The usual ports of Service Bus and of a Functions host, so that other tools find them. */
const PORTS = { bus: 5672, http: 7071 };

export interface UpOptions {
  readonly cluster: ClusterChoice;
  /** Forgets what an earlier start has kept. */
  readonly fresh: boolean;
}

/** Runs the stack until it is told to stop. Resolves to the exit code. */
export async function up(options: UpOptions): Promise<number> {
  const stopped = new AbortController();
  const stop = () => {
    if (stopped.signal.aborted) return;
    print("Stopping ...");
    stopped.abort();
    // Whoever presses Ctrl-C once more does not want to wait. The parts end by themselves then.
    setTimeout(() => process.once("SIGINT", () => process.exit(130)), SAME_PRESS_MS).unref();
  };
  process.on("SIGTERM", stop).on("SIGHUP", stop);
  whenReaderIsGone(stop);
  try {
    await run(options, stop, stopped.signal);
  } catch (error) {
    if (stopped.signal.aborted) return 0;
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  return 0;
}

async function run({ cluster, fresh }: UpOptions, stop: () => void, stopped: AbortSignal): Promise<void> {
  await refuseSecondStack();
  const { settings, warnings } = await readStackSettings(PROJECT_ROOT, process.env);
  for (const warning of warnings) print(`WARNING ${warning}`);
  const stateDir = join(PROJECT_ROOT, ".dispatcher", "state");
  if (fresh) await forgetState(stateDir);
  const modulesDir = settings["MODULES_DIR"] ?? join(PROJECT_ROOT, "modules");
  const starting = startStack({
    modulesDir,
    cluster,
    filters: {},
    settings: { PAGE_AT: "local", ...settings },
    env: neededEnvironment(process.env),
    ports: PORTS,
    stateDir,
    onLine: (part, line) => {
      if (!isIdle(line)) print(readable(part, line));
    },
  });
  let started: Stack | undefined;
  const jobsAtWork = async () => (cluster.kind === "stand-in" && started ? countRunning(started) : 0);
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  const interrupt = makeInterruption(stop, { jobsAtWork, isTerminal, say: print });
  process.on("SIGINT", () => void (stopped.aborted || interrupt()));
  const ended = rejectionOf(stopped);
  try {
    started = await Promise.race([starting, ended]);
    await Promise.race([serve(started, { modulesDir, stateDir }, stopped), started.failed(), ended]);
  } finally {
    await removeState(process.pid);
    await starting.then(
      (stack) => stack.stop(),
      () => {},
    );
  }
}

/** Runs the app, and starts it again whenever the module files change. Rejects if it can't be started. */
async function serve(
  stack: Stack,
  places: { readonly modulesDir: string; readonly stateDir: string },
  stopped: AbortSignal,
): Promise<void> {
  const url = await announce(stack, await stack.startApp());
  print(introduction(stack, url, places));
  const problems = await untilReady(url, READY_LIMIT_MS);
  if (problems.length > 0) print(`The Dispatcher is not ready yet:\n  ${problems.join("\n  ")}`);
  // Files that changed and could not be taken are still to be taken with the next change.
  const changed = new Set<string>();
  for await (const names of changesOf(places.modulesDir, stopped)) {
    for (const name of names) changed.add(name);
    if (await reload(stack, [...changed].toSorted())) changed.clear();
  }
}

/**
 * Takes the changed files. Says what is wrong with them if they can't be taken; then the old ones stay. Resolves to
 * whether they were taken.
 */
async function reload(stack: Stack, changed: readonly string[]): Promise<boolean> {
  try {
    const app = await stack.reload();
    await announce(stack, app);
    print(loadedText(changed, app.pid));
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    print(
      `The changed module files are not taken, and the Dispatcher goes on with the old ones:\n  ${errorText(error).replaceAll("\n", "\n  ")}`,
    );
    return false;
  }
}

/** Records where the stack is, for the other commands. Resolves to the app's URL. */
async function announce(stack: Stack, app: Part): Promise<string> {
  const url = `http://127.0.0.1:${String(app.ready["port"])}`;
  await writeState({ pid: process.pid, app: url, settings: stack.settings, entities: entitiesOf(stack.sources) });
  return url;
}

/** How many pods run on the local cluster. */
async function countRunning({ settings }: Stack): Promise<number> {
  const cluster = makeKubernetesJobs({
    kubeconfig: settings["KUBECONFIG"],
    namespace: settings["JOB_NAMESPACE"] ?? "",
    instance: settings["DISPATCHER_INSTANCE"] ?? "",
    timeoutMs: COUNT_TIMEOUT_MS,
  });
  const { pods } = await cluster.listPods();
  return pods.filter(({ status }) => status === "Running" || status.startsWith("Init:")).length;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
