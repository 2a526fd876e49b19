import type { Dependencies } from "./dependencies.ts";
import { durationText } from "./duration.ts";
import { aboutModule, type Finding, outageText } from "./finding.ts";
import type { Log } from "./log.ts";
import type { JobCount } from "./ports/job-cluster.ts";
import { RIGHTS, type Right } from "./ports/rights.ts";
import { sourceKey } from "./run/source.ts";
import { tryModules } from "./try-modules.ts";

type PreflightDependencies = Pick<
  Dependencies,
  | "broker"
  | "instanceTable"
  | "payloads"
  | "cluster"
  | "clock"
  | "modules"
  | "instance"
  | "namespace"
  | "bodyAccess"
  | "jobRetentionMs"
  | "kedaVersion"
>;

/** More Jobs than this in a namespace slow down lists, etcd and the Job controller, for all users of the cluster. */
const MANY_JOBS = 5_000;
/** The count stops here, because this is too many anyway. */
const COUNTED_JOBS = 2 * MANY_JOBS;
const HOUR_MS = 3_600_000;
/** The shortest allowed JOB_RETENTION. */
const LEAST_RETENTION_MS = 2 * 60_000;
/**
 * The least minor version of Kubernetes 1. From then on a Job gets its condition `Failed` only after its pods are gone,
 * which is what the next attempt waits for. keda/Chart.yaml asks for the same.
 */
const LEAST_MINOR = 31;

/**
 * Makes the preflight, which checks whether bus, storage and cluster will let the Dispatcher work. It asks for each
 * module's source, the rows, the bodies, the versions of cluster and KEDA, and each right of the Role, lets the API
 * server judge each module's Job, and compares JOB_RETENTION with the number of Jobs. It changes nothing, except that it
 * makes a missing table or container. It resolves to what is wrong, worst first, and to what it could not check.
 */
export function makePreflight(deps: PreflightDependencies): () => Promise<Finding[]> {
  return async () => {
    const findings: Finding[] = [];
    try {
      for await (const finding of look(deps)) findings.push(finding);
    } catch (error) {
      findings.push({ level: "error", text: `not everything could be checked: ${outageText(error)}` });
    }
    // The two sample Jobs of a module mostly have the same faults.
    const unique = new Map(findings.map((finding) => [JSON.stringify(finding), finding]));
    return [...unique.values()].toSorted((a, b) => a.level.localeCompare(b.level));
  };
}

/** Runs a preflight and logs what it finds. Never rejects, so that the app starts all the same. */
export async function logPreflight(preflight: () => Promise<Finding[]>, log: Log): Promise<void> {
  try {
    const findings = await preflight();
    for (const { level, text, ...facts } of findings) {
      if (level === "error") log.error("preflight found an error", { ...facts, problem: text });
      else log.warn("preflight found something to look at", { ...facts, problem: text });
    }
    if (findings.length === 0) log.info("preflight found nothing wrong");
  } catch (error) {
    log.error("preflight broke off", { why: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

async function* look(deps: PreflightDependencies): AsyncGenerator<Finding> {
  yield* lookAtBusAndStorage(deps);
  yield* judgeVersion(deps);
  yield* judgeKeda(deps);
  const missing = await missingRights(deps);
  for (const right of missing) yield missingRight(right, deps.namespace);
  const may = (verb: Right["verb"]) => !missing.some((right) => right.resource === "jobs" && right.verb === verb);
  // Without these rights the answers would only repeat that the right is missing.
  if (may("create")) yield* tryModules(deps);
  if (may("list")) yield* judgeRetention(deps);
}

/**
 * Asks for each source, the rows and the bodies. Their errors say which role or entity is missing, and how to get it.
 */
async function* lookAtBusAndStorage(deps: PreflightDependencies): AsyncGenerator<Finding> {
  const modules = [...deps.modules.values()];
  const bySource = new Map(modules.toReversed().map((module) => [sourceKey(module.source), module]));
  const checks: { readonly about: Omit<Finding, "level" | "text">; readonly answer: Promise<unknown> }[] = [
    { about: {}, answer: deps.instanceTable.lastTick() },
    { about: {}, answer: deps.payloads.verify() },
    ...[...bySource.values()].map((module) => ({
      about: { ...aboutModule(module), field: "source" },
      answer: deps.broker.verify(module.source),
    })),
  ];
  const answers = await Promise.allSettled(checks.map(({ answer }) => answer));
  for (const [index, answer] of answers.entries()) {
    if (answer.status === "fulfilled") continue;
    yield { level: "error", ...checks[index]?.about, text: outageText(answer.reason) };
  }
}

/** A version that can't be read is no finding, because most clusters are new enough. */
async function* judgeVersion({ cluster }: PreflightDependencies): AsyncGenerator<Finding> {
  const version = await cluster.version();
  if (version === undefined || version.major > 1 || (version.major === 1 && version.minor >= LEAST_MINOR)) return;
  yield {
    level: "error",
    text: `the cluster runs Kubernetes ${version.major}.${version.minor}, which calls a Job failed while its pod may still run, so that an attempt could be done twice at once. Upgrade the cluster to 1.${LEAST_MINOR} or later`,
  };
}

/**
 * Compares what the chart was told of KEDA with the cluster. An app that does not sleep works with any KEDA, and has no
 * `kedaVersion`.
 */
async function* judgeKeda({ cluster, kedaVersion }: PreflightDependencies): AsyncGenerator<Finding> {
  if (kedaVersion === undefined || (await cluster.kedaWakes()) !== false) return;
  yield {
    level: "error",
    field: "KEDA_VERSION",
    text: `the chart was told that KEDA is ${kedaVersion}, but the cluster's is older than 2.19, which may let the app sleep while its messages can't be counted. Upgrade KEDA to 2.19 or later, or set scaling.scaleToZero to false in the chart's values`,
  };
}

async function missingRights({ cluster }: PreflightDependencies): Promise<Right[]> {
  const allowed = await Promise.all(RIGHTS.map((right) => cluster.mayI(right)));
  return RIGHTS.filter((_, index) => !allowed[index]);
}

function missingRight({ verb, group, resource, why, without }: Right, namespace: string): Finding {
  const where = `${resource}${group === "" ? "" : `.${group}`}`;
  const consequence = without === undefined ? "" : ` (until then, ${without})`;
  return {
    level: without === undefined ? "error" : "warning",
    text: `the Dispatcher may not ${verb} ${where} in namespace ${namespace}, which it needs to ${why}: add that verb to its Role there${consequence}`,
  };
}

async function* judgeRetention(deps: PreflightDependencies): AsyncGenerator<Finding> {
  const { cluster, clock, jobRetentionMs } = deps;
  // Older Jobs may be gone, and so say nothing about the rate.
  const windowMs = Math.min(HOUR_MS, jobRetentionMs);
  const count = await cluster.count(clock.now() - windowMs, COUNTED_JOBS);
  const text = tooManyJobs(count, windowMs, deps);
  if (text !== undefined) yield { level: "warning", field: "JOB_RETENTION", text };
}

/**
 * Says whether there are too many Jobs. At a steady rate as many finished Jobs remain as are created within
 * JOB_RETENTION.
 */
function tooManyJobs(count: JobCount, windowMs: number, deps: PreflightDependencies): string | undefined {
  const { jobRetentionMs, namespace } = deps;
  const projected = Math.round((count.recent * jobRetentionMs) / windowMs);
  const most = Math.max(count.finished, projected);
  if (most <= MANY_JOBS) return undefined;
  const held = `${count.finished >= COUNTED_JOBS ? "at least " : ""}${count.finished}`;
  const bearable = roundedDown((jobRetentionMs * MANY_JOBS) / most);
  const advice =
    bearable < jobRetentionMs
      ? `Lower JOB_RETENTION from ${durationText(jobRetentionMs)} to ${durationText(bearable)}`
      : `JOB_RETENTION can't be lower than ${durationText(jobRetentionMs)}, so put more work into each message, or spread the modules over several instances and namespaces`;
  return `${held} finished Jobs in namespace ${namespace}, and at the rate of the last ${durationText(windowMs)} there will be ${projected}. More than ${MANY_JOBS} slow the cluster down. ${advice}`;
}

/** Rounds down to whole hours, or below two hours to whole minutes. */
function roundedDown(durationMs: number): number {
  const unitMs = durationMs >= 2 * HOUR_MS ? HOUR_MS : 60_000;
  return Math.max(LEAST_RETENTION_MS, Math.floor(durationMs / unitMs) * unitMs);
}
