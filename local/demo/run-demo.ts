import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { readConfig } from "../../shared/config.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import { PROJECT_ROOT } from "../stack/project-root.ts";
import { isWarning, readable } from "../stack/readable-line.ts";
import { untilReady } from "../stack/readiness.ts";
import { type Stack, startStack } from "../stack/start-stack.ts";
import { findSent, lookIntoBus, sendSamples } from "./bus.ts";
import { attemptsOf, followRuns, isClosed, type Progress } from "./follow-runs.ts";
import { judge } from "./judge.ts";
import { problemsOf, type Report } from "./report.ts";
import { SAMPLES, type Sample, SUBSCRIPTION_FILTERS } from "./samples.ts";

const READY_LIMIT_MS = 10_000;
const WARNINGS_SHOWN = 20;

export interface DemoOptions {
  readonly cluster: ClusterChoice;
  readonly report: Report;
  readonly env: Readonly<Record<string, string>>;
  /** How long the runs may take. Then the demo gives up those that are still open. */
  readonly limitMs: number;
  readonly interrupted: AbortSignal;
}

/**
 * Starts the stack, sends the samples, shows their runs until all are settled, and stops everything. Resolves to
 * whether every sample ended as it expects. Rejects if a part of the stack fails, or on interruption.
 */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { cluster, report, interrupted } = options;
  const aborted = untilAborted(interrupted);
  const samples = samplesFor(cluster, report);
  const warnings: string[] = [];
  const servers = cluster.kind === "stand-in" ? "a message bus, storage and a cluster" : "a message bus and storage";
  report.say(`Starting ${servers} on this machine ...`);
  const starting = startStack({
    modulesDir: join(PROJECT_ROOT, "modules"),
    cluster,
    filters: SUBSCRIPTION_FILTERS,
    settings: {},
    env: options.env,
    onLine: (part, line) => {
      if (isWarning(line)) warnings.push(readable(part, line));
    },
  });
  try {
    const stack = await Promise.race([starting, aborted]);
    const isRight = await Promise.race([show(options, stack, samples), stack.failed(), aborted]);
    if (!isRight && warnings.length > 0)
      process.stderr.write(`The last warnings of the Dispatcher:\n${warnings.slice(-WARNINGS_SHOWN).join("\n")}\n`);
    return isRight;
  } finally {
    await starting.then(
      (stack) => stack.stop(),
      () => {},
    );
  }
}

async function show(
  { report, limitMs, interrupted }: DemoOptions,
  stack: Stack,
  samples: readonly Sample[],
): Promise<boolean> {
  const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  try {
    // The samples are sent before the app starts, so that all of them still wait on the bus when `findSent` looks for
    // them.
    await sendSamples(client, samples);
    const sent = await findSent(client, samples);
    report.say(`Sent ${sent.length} messages to the bus. Starting the Dispatcher, which takes them from there ...`);
    const app = await stack.startApp();
    const url = `http://127.0.0.1:${String(app.ready["port"])}`;
    const problems = await untilReady(url, READY_LIMIT_MS);
    if (problems.length > 0)
      throw new Error(`The Dispatcher has started, but is not ready:\n  ${problems.join("\n  ")}`);
    report.say(`The Dispatcher is ready (${url}/api/health/ready). It runs a Job for each valid message:\n`);

    const died = stack.failed();
    const until = AbortSignal.any([AbortSignal.timeout(limitMs), interrupted]);
    const following = followRuns(tableOf(stack), sent, until, (all) => report.progress(all));
    const progress = await Promise.race([following, died]);
    interrupted.throwIfAborted();
    const holdings = await lookIntoBus(client, samples);
    const jobs = await Promise.all(progress.map((one) => jobsOf(stack, one)));
    const results = progress.map((one, index) => judge(one, jobs[index] ?? [], holdings));
    report.results(results, holdings.surprises);
    for (const one of progress) if (!isClosed(one.run)) process.stderr.write(`${stillOpen(one, limitMs)}\n`);
    return problemsOf(results, holdings.surprises).length === 0;
  } finally {
    await client.close();
  }
}

function samplesFor(cluster: ClusterChoice, report: Report): readonly Sample[] {
  if (cluster.kind === "stand-in" || cluster.address !== undefined) return SAMPLES;
  const [left = [], kept = []] = [true, false].map((needs) =>
    SAMPLES.filter((one) => (one.needsStorage ?? false) === needs),
  );
  for (const { title } of left)
    report.say(
      `Left out the message that ${title}, because its pod would fetch it from this machine. To send it too, add --address IP with an address of this machine that the pods reach.`,
    );
  return kept;
}

function tableOf({ settings }: Stack) {
  return makeAzureTable({
    connection: { kind: "connectionString", value: settings["AzureWebJobsStorage"] ?? "" },
    tableName: readConfig(settings).tableName,
    instance: settings["DISPATCHER_INSTANCE"] ?? "",
    clock: systemClock,
  });
}

/**
 * The names of the Jobs that the run's attempts had. It asks the cluster, where an ended Job stays for a while, so that
 * its name stays taken.
 */
async function jobsOf({ settings }: Stack, { run }: Progress): Promise<string[]> {
  const instance = settings["DISPATCHER_INSTANCE"] ?? "";
  const cluster = makeKubernetesJobs({
    kubeconfig: settings["KUBECONFIG"],
    namespace: settings["JOB_NAMESPACE"] ?? "",
    instance,
  });
  const names = Array.from({ length: attemptsOf(run) }, (_, index) =>
    run ? jobName({ module: run.module, instance, key: run, attempt: index + 1 }) : "",
  );
  const found = await Promise.all(names.map((name) => cluster.get(name)));
  return names.filter((_, index) => found[index] !== undefined);
}

function stillOpen({ sent, run }: Progress, limitMs: number): string {
  const state = run
    ? `${run.status}, attempt ${run.attempt}${run.lastError === undefined ? "" : `, ${run.lastError}`}`
    : "the Dispatcher has not accepted it";
  return `"${sent.sample.title}" (${sent.messageId}) is still open after ${limitMs / 1000} s: ${state}`;
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      "abort",
      () => reject(new Error("The demo was interrupted, and has stopped everything that it started.")),
      { once: true },
    );
  });
}
