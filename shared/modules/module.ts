import type {
  V1EnvVarSource,
  V1JobTemplateSpec,
  V1ResourceRequirements,
  V1SecurityContext,
} from "@kubernetes/client-node";
import type { RetryPolicy } from "../run/retry-policy.ts";
import type { Source } from "../run/source.ts";

/** One kind of work, as its module file says, with every default filled in. Durations are milliseconds. */
export interface Module {
  /** A DNS label: lower-case letters, digits and `-`, at most 63 characters. */
  readonly name: string;
  /** The file it came from, for errors and logs. */
  readonly file: string;
  readonly source: Source;
  /** Undefined: every message of the source. */
  readonly when: When | undefined;
  /** JSON Schema of the body. */
  readonly schema: JsonSchema | undefined;
  readonly retry: RetryPolicy;
  readonly maxRunningTimeMs: number;
  /** An attempt that is still pending after this ends as not started. */
  readonly startTimeoutMs: number;
  /** Jobs at once, approximately. 0 pauses the module. */
  readonly maxActive: number;
  readonly publishes: readonly string[];
  readonly work: Work;
}

export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

/** All of it must hold: the message's subject, and each named application property, equal these. */
export interface When {
  readonly subject?: string;
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
}

/** What the Job runs: the `worker` shorthand, with a `handler` around it or not, or a whole Job template. */
export type Work =
  | { readonly kind: "worker"; readonly worker: ContainerShorthand; readonly handler: ContainerShorthand | undefined }
  | { readonly kind: "jobTemplate"; readonly jobTemplate: V1JobTemplateSpec };

export interface ContainerShorthand {
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  /** By name: a literal value, or where the cluster finds one (`valueFrom`, secrets above all). */
  readonly env?: Readonly<Record<string, string | { readonly valueFrom: V1EnvVarSource }>>;
  readonly resources?: V1ResourceRequirements;
  readonly securityContext?: V1SecurityContext;
}
