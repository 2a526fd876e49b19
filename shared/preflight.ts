import pLimit from "p-limit";
import type { Dependencies } from "./dependencies.ts";
import { durationText } from "./duration.ts";
import { ConfigError, errorText, UnavailableError } from "./errors.ts";
import { sampleJobs } from "./jobs/sample-jobs.ts";
import type { Log } from "./log.ts";
import { moduleField } from "./module-files/module-field.ts";
import type { Module } from "./modules/module.ts";
import type { FieldFault, JobCount } from "./ports/job-cluster.ts";
import { RIGHTS, type Right } from "./ports/rights.ts";
import { sourceKey } from "./run/source.ts";

/** Something that will go wrong, or may. An `error` keeps messages from being worked; a `warning` can wait for the morning. */
export interface Finding {
  readonly level: "error" | "warning";
  /** The module that it is about; undefined: all of them. */
  readonly module?: string;
  /** That module's file. */
  readonly file?: string;
  /** The field of the module's file, or the setting. */
  readonly field?: string;
  /** What is wrong and what to do about it. */
  readonly text: string;
}

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
  | "jobRetentionMs"
>;

/** Beyond this many Jobs in a namespace lists, etcd and the Job controller slow down, for everybody in the cluster. */
const MANY_JOBS = 5_000;
/** The count stops here: it is too many anyway. */
const COUNTED_JOBS = 2 * MANY_JOBS;
const HOUR_MS = 3_600_000;
/** What JOB_RETENTION must be at least. */
const LEAST_RETENTION_MS = 2 * 60_000;
/** Trials at once: replicas that start together should not crowd the API server. */
const TRIALS_AT_ONCE = 4;

/**
 * Looks whether bus, storage and cluster will let the Dispatcher work, and changes nothing in them but that table and containers are made:
 * asks for each module's source, the rows and the bodies, for each right of its Role, has the API server judge each module's Job, and holds
 * JOB_RETENTION against the number of Jobs. Resolves to what is wrong, worst first; what can't be asked is a finding too.
 */
export function makePreflight(deps: PreflightDependencies): () => Promise<Finding[]> {
  return async () => {
    const findings: Finding[] = [];
    try {
      for await (const finding of look(deps)) findings.push(finding);
    } catch (error) {
      findings.push({ level: "error", text: `not everything could be checked: ${outageText(error)}` });
    }
    // The two Jobs of a module mostly have the same faults.
    const unique = new Map(findings.map((finding) => [JSON.stringify(finding), finding]));
    return [...unique.values()].toSorted((a, b) => a.level.localeCompare(b.level));
  };
}

/** Runs a preflight and logs what it finds. Never rejects: the app starts all the same. */
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
  const missing = await missingRights(deps);
  for (const right of missing) yield missingRight(right, deps.namespace);
  const may = (verb: Right["verb"]) => !missing.some((right) => right.resource === "jobs" && right.verb === verb);
  // Without these rights the answer would be about them again.
  if (may("create")) yield* tryModules(deps);
  if (may("list")) yield* judgeRetention(deps);
}

/** Each source, the rows and the bodies: what is missing says itself which role or entity it is, and how to come by it. */
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

async function missingRights({ cluster }: PreflightDependencies): Promise<Right[]> {
  const allowed = await Promise.all(RIGHTS.map((right) => cluster.mayI(right)));
  return RIGHTS.filter((_, index) => !allowed[index]);
}

function missingRight({ verb, group, resource, why }: Right, namespace: string): Finding {
  const where = `${resource}${group === "" ? "" : `.${group}`}`;
  return {
    level: "error",
    text: `the Dispatcher may not ${verb} ${where} in namespace ${namespace}, which it needs to ${why}: add that verb to its Role there`,
  };
}

async function* tryModules(deps: PreflightDependencies): AsyncGenerator<Finding> {
  const limit = pLimit(TRIALS_AT_ONCE);
  const modules = [...deps.modules.values()];
  const trials = await Promise.allSettled(modules.map((module) => limit(() => tryModule(deps, module))));
  const failed: string[] = [];
  let failure: unknown;
  for (const [index, trial] of trials.entries()) {
    if (trial.status === "fulfilled") yield* trial.value;
    else {
      failure ??= trial.reason;
      failed.push(modules[index]?.name ?? "");
    }
  }
  if (failed.length === 0) return;
  const text = `the Jobs of ${failed.join(", ")} could not be tried: ${outageText(failure)}`;
  yield { level: "error", ...(failed.length === 1 ? aboutModule(deps.modules.get(failed[0] ?? "")) : {}), text };
}

async function tryModule(deps: PreflightDependencies, module: Module): Promise<Finding[]> {
  const findings: Finding[] = [];
  const about = aboutModule(module);
  const add = (level: Finding["level"], text: string, field?: string): void => {
    findings.push({ level, ...about, ...(field === undefined ? {} : { field }), text });
  };
  for (const job of sampleJobs({ instance: deps.instance, namespace: deps.namespace, module })) {
    const outcome = await deps.cluster.tryCreate(job);
    const fieldOf = (field: string): string => moduleField(module, job, field);
    switch (outcome.kind) {
      case "accepted":
        for (const warning of outcome.warnings) {
          // The one warning that names its field: what the server doesn't know it drops, and a typo stays unnoticed.
          const unknown = /^(?:unknown|duplicate) field "(.+)"$/.exec(warning)?.[1];
          add("warning", `the API server takes the Job, and warns: ${warning}`, unknown && fieldOf(unknown));
        }
        break;
      case "refused":
        for (const fault of outcome.faults) {
          const field = fieldOf(fault.field);
          add("error", refusal(faultText(fault, field)), field);
        }
        if (outcome.faults.length === 0) add("error", refusal(outcome.message));
        break;
      case "quota":
        add(
          "warning",
          `messages wait until Jobs end, or finished ones go (JOB_RETENTION), for a quota is full: ${outcome.message}`,
        );
        break;
      case "can't be tried":
        add("warning", `whether the API server takes the Job will show with the first message: ${outcome.message}`);
        break;
      default:
        outcome satisfies never;
    }
  }
  return findings;
}

function aboutModule(module: Module | undefined): Pick<Finding, "module" | "file"> {
  return module ? { module: module.name, file: module.file } : {};
}

function faultText({ field, message }: FieldFault, inModule: string): string {
  return field === inModule ? message : `${message} (${field} of the Job)`;
}

function refusal(words: string): string {
  return `the API server refuses the Job, and every message will be dead-lettered as JobNotStarted: ${words}`;
}

async function* judgeRetention(deps: PreflightDependencies): AsyncGenerator<Finding> {
  const { cluster, clock, jobRetentionMs } = deps;
  // Jobs that are older may be gone, and tell nothing about the rate.
  const windowMs = Math.min(HOUR_MS, jobRetentionMs);
  const count = await cluster.count(clock.now() - windowMs, COUNTED_JOBS);
  const text = tooManyJobs(count, windowMs, deps);
  if (text !== undefined) yield { level: "warning", field: "JOB_RETENTION", text };
}

/** At a steady rate as many finished Jobs live on as are created within JOB_RETENTION. */
function tooManyJobs(count: JobCount, windowMs: number, deps: PreflightDependencies): string | undefined {
  const { jobRetentionMs, namespace } = deps;
  const projected = Math.round((count.recent * jobRetentionMs) / windowMs);
  const most = Math.max(count.finished, projected);
  if (most <= MANY_JOBS) return undefined;
  const held = `${count.finished >= COUNTED_JOBS ? "at least " : ""}${count.finished}`;
  const bearable = roundedDown((jobRetentionMs * MANY_JOBS) / most);
  const advice =
    bearable < jobRetentionMs
      ? `lower JOB_RETENTION from ${durationText(jobRetentionMs)} to ${durationText(bearable)}`
      : `JOB_RETENTION can't be lower than ${durationText(jobRetentionMs)}: put more work into each message, or spread the modules over several Dispatchers and namespaces`;
  return `namespace ${namespace} holds ${held} finished Jobs of this Dispatcher, and ${count.recent} created in the last ${durationText(windowMs)} come to ${projected} in the end; over ${MANY_JOBS} slow the cluster down: ${advice}`;
}

/** To whole hours, or below two of them to whole minutes. */
function roundedDown(durationMs: number): number {
  const unitMs = durationMs >= 2 * HOUR_MS ? HOUR_MS : 60_000;
  return Math.max(LEAST_RETENTION_MS, Math.floor(durationMs / unitMs) * unitMs);
}

/** What to say of an outage, or of a cluster that is no use. Throws anything else again: that is our bug. */
function outageText(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof UnavailableError) return errorText(error);
  throw error;
}
