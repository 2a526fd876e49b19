import type {
  V1EnvVarSource,
  V1JobTemplateSpec,
  V1ResourceRequirements,
  V1SecurityContext,
} from "@kubernetes/client-node";
import type { RetryPolicy } from "../run/retry-policy.ts";
import type { Source } from "../run/source.ts";

/** One kind of work, read from its module file, with every default filled in. Durations are milliseconds. */
export interface Module {
  /** A DNS label: lower-case letters, digits and `-`, at most 63 characters. */
  readonly name: string;
  /** The file that it was read from, for errors and logs. */
  readonly file: string;
  /** Stands for the text of the file, and of the JSON Schema that it names: another text has another digest. */
  readonly fileDigest: string;
  readonly source: Source;
  /** Undefined means every message of the source. */
  readonly when: When | undefined;
  /** JSON Schema of the body. */
  readonly schema: JsonSchema | undefined;
  readonly retry: RetryPolicy;
  readonly maxRunningTimeMs: number;
  /** A Job that has not started after this is reported, and is ended if its template is to blame. */
  readonly startTimeoutMs: number;
  /** The most Jobs at once, approximately. 0 pauses the module. */
  readonly maxActive: number;
  readonly publishes: readonly string[];
  readonly work: Work;
}

export type JsonSchema = Readonly<Record<string, unknown>> | boolean;

/** The messages that a module takes. The subject and each named application property must equal these. */
export interface When {
  readonly subject?: string;
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
}

/** What the Job runs: the `worker` shorthand, perhaps with a `handler` around it, or a whole Job template. */
export type Work =
  | {
      readonly kind: "worker";
      readonly worker: ContainerShorthand;
      readonly handler: ContainerShorthand | undefined;
      /** The ServiceAccount whose identity the pod has. If undefined, the namespace's default account, and no identity. */
      readonly serviceAccountName?: string;
    }
  | { readonly kind: "jobTemplate"; readonly jobTemplate: V1JobTemplateSpec };

export interface ContainerShorthand {
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  /** Variables by name: a value, or where the cluster finds it (`valueFrom`, mostly for secrets). */
  readonly env?: Readonly<Record<string, string | { readonly valueFrom: V1EnvVarSource }>>;
  readonly resources?: V1ResourceRequirements;
  readonly securityContext?: V1SecurityContext;
}
