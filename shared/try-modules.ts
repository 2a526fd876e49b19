import pLimit from "p-limit";
import type { Dependencies } from "./dependencies.ts";
import { aboutModule, type Finding, outageText } from "./finding.ts";
import { USES_IDENTITY } from "./jobs/job-spec.ts";
import { type PolicyChange, policyChanges } from "./jobs/policy-changes.ts";
import { sampleJobs } from "./jobs/sample-jobs.ts";
import { moduleField } from "./module-files/module-field.ts";
import type { Module } from "./modules/module.ts";
import type { FieldFault } from "./ports/job-cluster.ts";

type TrialDependencies = Pick<Dependencies, "cluster" | "modules" | "instance" | "namespace" | "bodyAccess">;

/** How many Jobs are tried at once, so that replicas that start together don't crowd the API server. */
const TRIALS_AT_ONCE = 4;
/** How many changed parts one finding names. */
const NAMED_CHANGES = 4;
/** The role by which a Job reads its body. infra/ assigns it to the identity of the chart's ServiceAccount for Jobs. */
const BODY_READER = "Storage Blob Data Reader";

/**
 * Lets the API server judge each module's Jobs by a dry run, and says what is wrong with a module, and what a policy of
 * the cluster would change in its Jobs. Throws nothing but our own bugs.
 */
export async function* tryModules(deps: TrialDependencies): AsyncGenerator<Finding> {
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

async function tryModule(deps: TrialDependencies, module: Module): Promise<Finding[]> {
  const findings: Finding[] = [];
  const about = aboutModule(module);
  const add = (level: Finding["level"], text: string, field?: string): void => {
    findings.push({ level, ...about, ...(field === undefined ? {} : { field }), text });
  };
  const { instance, namespace, bodyAccess } = deps;
  const lack = bodyAccess === "identity" ? identityLack(deps, module) : undefined;
  if (lack) add("warning", lack.text, lack.field);
  for (const job of sampleJobs({ instance, namespace, module, bodyAccess })) {
    const outcome = await deps.cluster.tryCreate(job);
    const fieldOf = (field: string): string => moduleField(module, job, field);
    switch (outcome.kind) {
      case "accepted":
        for (const warning of outcome.warnings) {
          // Only this warning names its field. The server drops unknown fields, so that a typo would stay unnoticed.
          const unknown = /^(?:unknown|duplicate) field "(.+)"$/.exec(warning)?.[1];
          add("warning", `the API server takes the Job, and warns: ${warning}`, unknown && fieldOf(unknown));
        }
        for (const change of outcome.stored ? policyChanges(job, outcome.stored) : [])
          add(change.level, changeText(change, namespace));
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
          `a quota is full (${outcome.message}). Messages wait until Jobs end or finished ones are removed. Raise the quota, or lower JOB_RETENTION`,
        );
        break;
      case "can't be tried":
        add("warning", `could not check this Job by dry run (${outcome.message}). The first message will tell`);
        break;
      default:
        outcome satisfies never;
    }
  }
  return findings;
}

/**
 * Says what a module lacks to read its bodies by identity. It is no error, because a worker may have credentials of
 * another kind.
 */
function identityLack(
  { instance, namespace, bodyAccess }: TrialDependencies,
  module: Module,
): Required<Pick<Finding, "field" | "text">> | undefined {
  const [job] = sampleJobs({ instance, namespace, module, bodyAccess });
  const { metadata, spec } = job.spec?.template ?? {};
  if (spec?.serviceAccountName !== undefined && metadata?.labels?.[USES_IDENTITY] === "true") return undefined;
  const isTemplate = module.work.kind === "jobTemplate";
  const how = isTemplate ? ` in spec.serviceAccountName, and set the label ${USES_IDENTITY} to "true"` : "";
  return {
    field: isTemplate ? "jobTemplate.spec.template" : "serviceAccountName",
    text: `PAYLOADS is identity, and the Jobs of this module have no identity to read their bodies with. Name a ServiceAccount whose identity has the role ${BODY_READER} on the container dispatcher-payloads${how}`,
  };
}

function changeText({ changed, follows }: PolicyChange, namespace: string): string {
  const more = changed.length - NAMED_CHANGES;
  const named = [...changed.slice(0, NAMED_CHANGES), ...(more > 0 ? [`${more} more`] : [])];
  return `a policy or webhook of the cluster changes ${named.join(", ")} in the Job. ${follows}. Exempt the Jobs of namespace ${namespace} from it`;
}

function faultText({ field, message }: FieldFault, inModule: string): string {
  return field === inModule ? message : `${message} (${field} of the Job)`;
}

function refusal(words: string): string {
  return `the API server refuses the Job: ${words}. Correct the module, or every message will be dead-lettered as JobNotStarted`;
}
