import { join } from "node:path";
import { readState, removeState, writeState } from "../../cli/target/stack-state.ts";
import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { type Source, sourceName } from "../../shared/run/source.ts";
import { whenReaderIsGone } from "../stack/lost-reader.ts";
import { neededEnvironment } from "../stack/own-environment.ts";
import { PROJECT_ROOT } from "../stack/project-root.ts";
import { isIdle, readable } from "../stack/readable-line.ts";
import { untilReady } from "../stack/readiness.ts";
import { readStackSettings } from "../stack/stack-settings.ts";
import { type Stack, startStack } from "../stack/start-stack.ts";

// `dispatcher up` runs the bus, storage, the cluster and the app on this machine, until Ctrl-C.

const READY_LIMIT_MS = 10_000;

/** The usual ports of Service Bus and of a Functions host, so that other tools find them. */
const PORTS = { bus: 5672, http: 7071 };

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function entitiesOf(sources: readonly Source[]): string[] {
  return [...new Set(sources.map((source) => ("queue" in source ? source.queue : source.topic)))];
}

/** The entity of the sample module that takes `{"name":"Ada"}`, if it is there. */
function example(sources: readonly Source[]): string {
  const entities = entitiesOf(sources);
  return entities.find((name) => name === "greetings") ?? entities[0] ?? "NAME";
}

function introduce(stack: Stack, url: string): void {
  const { settings } = stack;
  const pid = (name: string) => {
    const part = stack.parts.find((one) => one.name === name);
    return part ? `, process ${part.pid}` : "";
  };
  const bus =
    /sb:\/\/[^;/]+/.exec(settings["ServiceBus"] ?? "")?.[0] ?? settings["ServiceBus__fullyQualifiedNamespace"];
  const storage = /TableEndpoint=([^;]+)/.exec(settings["AzureWebJobsStorage"] ?? "")?.[1];
  const isLocal = (name: string) => stack.parts.some((one) => one.name === name);
  const asSet = "as the settings say";
  print(`
app       ${url}/api/health/ready  (the Dispatcher${pid("app")})
bus       ${bus ?? asSet}${isLocal("broker") ? `  (stands in for Service Bus${pid("broker")})` : ""}
storage   ${storage ?? asSet}${isLocal("storage") ? `  (Azurite, in memory${pid("storage")})` : ""}
cluster   kubectl --kubeconfig ${settings["KUBECONFIG"] ?? ""} -n ${settings["JOB_NAMESPACE"] ?? ""} get jobs${isLocal("cluster") ? `  (runs Jobs as processes of this machine${pid("cluster")})` : ""}
sources   ${[...new Set(stack.sources.map(sourceName))].join(", ")}

Send a message from another terminal, and watch it here:
  echo '{"name":"Ada"}' | npm run --silent send -- --source ${example(stack.sources)} -
Ctrl-C stops everything.
`);
}

async function run(cluster: ClusterChoice, interrupted: Promise<never>): Promise<void> {
  const running = await readState();
  if (running) throw new Error(`npm start runs here already. Stop it first: kill ${running.pid}`);
  const { settings, warnings } = await readStackSettings(PROJECT_ROOT, process.env);
  for (const warning of warnings) print(`WARNING ${warning}`);
  const starting = startStack({
    modulesDir: settings["MODULES_DIR"] ?? join(PROJECT_ROOT, "modules"),
    cluster,
    filters: {},
    settings,
    env: neededEnvironment(process.env),
    ports: PORTS,
    onLine: (part, line) => {
      if (!isIdle(line)) print(readable(part, line));
    },
  });
  try {
    const stack = await Promise.race([starting, interrupted]);
    const app = await Promise.race([stack.startApp(), interrupted]);
    const url = `http://127.0.0.1:${String(app.ready["port"])}`;
    await writeState({
      pid: process.pid,
      app: url,
      settings: stack.settings,
      entities: entitiesOf(stack.sources),
    });
    introduce(stack, url);
    const problems = await Promise.race([untilReady(url, READY_LIMIT_MS), stack.failed(), interrupted]);
    if (problems.length > 0) print(`The Dispatcher is not ready yet:\n  ${problems.join("\n  ")}`);
    await Promise.race([stack.failed(), interrupted]);
  } finally {
    await removeState(process.pid);
    await starting.then(
      (stack) => stack.stop(),
      () => {},
    );
  }
}

/** Runs the stack until it is told to stop. Resolves to the exit code. */
export async function up(cluster: ClusterChoice): Promise<number> {
  const stopped = new Error("stopped");
  const interrupted = new Promise<never>((_, reject) => {
    const stop = () => {
      print("Stopping ...");
      reject(stopped);
    };
    process.once("SIGINT", stop).once("SIGTERM", stop).once("SIGHUP", stop);
    whenReaderIsGone(stop);
  });
  try {
    await run(cluster, interrupted);
  } catch (error) {
    if (error !== stopped) {
      process.stderr.write(`${errorMessage(error)}\n`);
      return 1;
    }
  }
  return 0;
}
