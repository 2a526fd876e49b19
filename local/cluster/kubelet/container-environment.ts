import type { V1EnvVar } from "@kubernetes/client-node";
import type { ConfigKind, ReadConfig } from "../store/config-data.ts";
import type { Container, Pod, Wire } from "../store/wire.ts";
import { podField } from "./downward-api.ts";
import { expandVariables } from "./variable-expansion.ts";

/** A container's environment can't be made. The container waits as `CreateContainerConfigError`, as on a real node. */
export class ContainerConfigError extends Error {
  override readonly name = "ContainerConfigError";
}

/** The inputs for a container's variables and command, beside its spec. */
export interface CommandLineParts {
  /** See `makePathMapper`. */
  readonly realPath: (path: string) => string | undefined;
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly readConfig: ReadConfig;
}

export interface CommandLine {
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/**
 * Makes a container's variables and command, with `$(NAME)` expanded. Paths below a mount are replaced by the real ones
 * *before* the expansion, and only in the texts of the spec itself. A value that came by reference is data and arrives
 * unchanged. Throws ContainerConfigError.
 */
export function resolveCommandLine(pod: Pod, container: Container, parts: CommandLineParts): CommandLine {
  const { realPath, baseEnv, readConfig } = parts;
  const env: Record<string, string> = {};
  for (const { prefix = "", secretRef, configMapRef } of container.envFrom ?? []) {
    const reference = secretRef ?? configMapRef;
    const kind = secretRef === undefined ? "configmap" : "secret";
    const held = readConfig(kind, reference?.name ?? "");
    if (held === undefined && reference?.optional !== true) throw missing(kind, reference?.name);
    for (const [key, value] of held ?? []) env[prefix + key] = value.toString("utf8");
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(pod, variable, env, parts);
    if (value !== undefined) env[variable.name] = value;
  }
  const words = [...(container.command ?? []), ...(container.args ?? [])];
  return {
    env: { ...baseEnv, ...env },
    command: words.map((word) => expandVariables(realPath(word) ?? word, env)),
  };
}

function valueOf(
  pod: Pod,
  variable: Wire<V1EnvVar>,
  earlier: Readonly<Record<string, string>>,
  { realPath, readConfig }: CommandLineParts,
): string | undefined {
  const source = variable.valueFrom;
  if (source === undefined) {
    const text = variable.value ?? "";
    return expandVariables(realPath(text) ?? text, earlier);
  }
  if (source.fieldRef !== undefined) {
    const value = podField(pod, source.fieldRef);
    if (value === undefined) throw new ContainerConfigError(`unsupported fieldPath: ${source.fieldRef.fieldPath}`);
    return value;
  }
  const reference = source.secretKeyRef ?? source.configMapKeyRef;
  if (reference !== undefined) {
    const kind = source.secretKeyRef === undefined ? "configmap" : "secret";
    const { name = "", key, optional } = reference;
    const held = readConfig(kind, name);
    const value = held?.get(key)?.toString("utf8");
    if (value !== undefined || optional === true) return value;
    if (held === undefined) throw missing(kind, name);
    const whose = kind === "secret" ? "Secret" : "ConfigMap";
    throw new ContainerConfigError(`couldn't find key ${key} in ${whose} ${pod.metadata.namespace}/${name}`);
  }
  throw new ContainerConfigError(
    `env ${variable.name}: this local cluster knows only fieldRef, secretKeyRef and configMapKeyRef. Use a real cluster with --kubeconfig`,
  );
}

function missing(kind: ConfigKind, name: string | undefined): ContainerConfigError {
  return new ContainerConfigError(`${kind} "${name ?? ""}" not found`);
}
