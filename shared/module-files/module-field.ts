import type { V1Container, V1Job } from "@kubernetes/client-node";
import type { Module } from "../modules/module.ts";

/** Fields of the Job that the Dispatcher writes from fields of other names in the module file. */
const SETTINGS: readonly (readonly [field: string, setting: string])[] = [
  ["spec.podFailurePolicy", "retry.permanentExitCodes"],
  ["spec.activeDeadlineSeconds", "maxRunningTime"],
  ["spec.template.spec.activeDeadlineSeconds", "maxRunningTime"],
];

/**
 * Finds the field of the module's file for a field of its Job, which is given by the API server's path: `worker.image`,
 * `jobTemplate.spec.template.spec.volumes[0]`. A field that no module can write comes back as it is.
 */
export function moduleField(module: Module, job: V1Job, field: string): string {
  const setting = SETTINGS.find(([prefix]) => field === prefix || field.startsWith(`${prefix}.`));
  if (setting) return setting[1];
  const place = /^spec\.template\.spec\.(initContainers|containers)\[(\d+)\](.*)$/s.exec(field);
  const [, list, index, rest = ""] = place ?? [];
  const container = list === "initContainers" || list === "containers" ? containerAt(job, list, index) : undefined;
  if (module.work.kind === "jobTemplate") {
    const { jobTemplate } = module.work;
    if (!container) return `jobTemplate.${field}`;
    const own = containerAt(jobTemplate, list === "containers" ? "containers" : "initContainers", index);
    return `jobTemplate.spec.template.spec.${list}[${index}]${ownEnvIndex(rest, container, own)}`;
  }
  if (!container) return field === "spec.template.spec.serviceAccountName" ? "serviceAccountName" : field;
  const part = container.name === "worker" ? "worker" : "handler";
  const env = Object.keys(module.work[part]?.env ?? {});
  const own = shorthandField(rest, container, env);
  return own === undefined ? field : `${part}${own}`;
}

const ENV = /^\.env\[(\d+)\](.*)$/s;

/**
 * Turns an index of `env` in the Job into one in the template, because the message's variables stand before the
 * template's own.
 */
function ownEnvIndex(rest: string, container: V1Container, own: V1Container | undefined): string {
  const [, index, inside = ""] = ENV.exec(rest) ?? [];
  if (index === undefined) return rest;
  const added = (container.env?.length ?? 0) - (own?.env?.length ?? 0);
  return `.env[${Number(index) - added}]${inside}`;
}

/**
 * Names a field of a container in the shorthand, where `env` goes by name. Undefined if the shorthand lacks the field.
 */
function shorthandField(rest: string, container: V1Container, ownEnv: readonly string[]): string | undefined {
  const [, index, inside = ""] = ENV.exec(rest) ?? [];
  if (index !== undefined) {
    const name = container.env?.[Number(index)]?.name ?? "";
    return ownEnv.includes(name) ? `.env.${name}${inside.replace(/^\.(name|value)$/, "")}` : undefined;
  }
  return /^\.(image|command|args|resources|securityContext)(?![A-Za-z])/.test(rest) ? rest : undefined;
}

function containerAt(
  job: Pick<V1Job, "spec">,
  list: "initContainers" | "containers",
  index: string | undefined,
): V1Container | undefined {
  return job.spec?.template.spec?.[list]?.[Number(index)];
}
