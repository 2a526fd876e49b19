import type { V1EnvVar } from "@kubernetes/client-node";
import { podField } from "./downward-api.ts";
import { expandVariables } from "./variable-expansion.ts";
import type { Container, Pod, Wire } from "./wire.ts";

/** A container's environment can't be made: it waits as `CreateContainerConfigError`, as on a real node. */
export class ContainerConfigError extends Error {
  override readonly name = "ContainerConfigError";
}

export interface CommandLine {
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/**
 * What a container runs: its variables and command, `$(NAME)` expanded. Paths below a mount are replaced by the real ones *before* the
 * expansion, and only in what the spec itself says: a value that came by `fieldRef` is data and arrives as it is. Throws ContainerConfigError.
 */
export function resolveCommandLine(
  pod: Pod,
  container: Container,
  realPath: (path: string) => string | undefined,
  baseEnv: Readonly<Record<string, string>>,
): CommandLine {
  for (const source of container.envFrom ?? []) {
    if (source.secretRef !== undefined && source.secretRef.optional !== true)
      throw missing("secret", source.secretRef.name);
    if (source.configMapRef !== undefined && source.configMapRef.optional !== true)
      throw missing("configmap", source.configMapRef.name);
  }
  const env: Record<string, string> = {};
  for (const variable of container.env ?? []) {
    const value = valueOf(pod, variable, env, realPath);
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
  realPath: (path: string) => string | undefined,
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
    if (reference.optional === true) return undefined;
    throw missing(source.secretKeyRef === undefined ? "configmap" : "secret", reference.name);
  }
  throw new ContainerConfigError(
    `env ${variable.name}: this local cluster knows fieldRef only; use a real cluster by --kubeconfig`,
  );
}

function missing(kind: string, name: string | undefined): ContainerConfigError {
  return new ContainerConfigError(`${kind} "${name ?? ""}" not found`);
}
