import type { V1Container, V1Job, V1JobTemplateSpec, V1PodFailurePolicyRule, V1PodSpec } from "@kubernetes/client-node";
import type { Module, Work } from "../modules/module.ts";
import type { BodyAccess } from "../ports/payload-store.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { Run } from "../run/run.ts";
import { withoutStamps } from "../run/stamp.ts";
import { handlerPod } from "./handler-pod.ts";
import { identityAnnotations, identityLabels } from "./job-identity.ts";
import { jobName } from "./job-name.ts";
import { bodyText, propertiesJson } from "./message-files.ts";
import { type MessageInPod, messageInPod } from "./message-pod.ts";
import { workerPod } from "./worker-pod.ts";

/**
 * The most bytes of body and properties, as carried. A larger body goes to the payload store, to keep lists of Jobs and
 * etcd small.
 */
const MAX_INLINE_BYTES = 16 * 1024;

/**
 * Whether the body of a message goes to the payload store, and its Job gets a URL. The Dispatcher's own stamps count for
 * nothing, so that the answer is the same for each attempt.
 */
export function goesToStore(message: PeekedMessage, access: BodyAccess): boolean {
  return access === "identity" || !fitsInline(withoutStamps(message));
}

/** Whether the Job itself can carry the message. */
export function fitsInline(message: PeekedMessage): boolean {
  // The encoded text is never shorter than the bytes, so that a body of megabytes needn't be encoded.
  if (message.body.byteLength > MAX_INLINE_BYTES) return false;
  const body = Buffer.byteLength(bodyText(message.body).text);
  return body + Buffer.byteLength(propertiesJson(message)) <= MAX_INLINE_BYTES;
}

/**
 * Builds the Job of a run's current attempt. The operator writes the spec; the message only adds data, as annotations
 * of the pod. A message that `goesToStore` needs a `bodyUrl`. One Job makes one pod, because the run does the
 * retries.
 */
export function buildJob(input: {
  readonly instance: string;
  readonly namespace: string;
  readonly module: Module;
  readonly run: Run;
  readonly message: PeekedMessage;
  readonly bodyUrl?: string;
}): V1Job {
  const { instance, namespace, module, run } = input;
  const message = messageInPod(module, run, input.message, input.bodyUrl);
  const template = jobTemplate(module.work, message);
  const pod = template.spec?.template;
  const labels = identityLabels(instance, run);
  const name = jobName({ module: run.module, instance, key: run, attempt: run.attempt });
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      ...template.metadata,
      name,
      namespace,
      labels: { ...template.metadata?.labels, ...labels },
      // The body is not among them, because a Job's own annotations are in every list of Jobs.
      annotations: { ...template.metadata?.annotations, ...identityAnnotations(run) },
    },
    spec: {
      ...template.spec,
      parallelism: 1,
      completions: 1,
      backoffLimit: 0,
      // It has no activeDeadlineSeconds until the Dispatcher ends it, because that also runs while the Job has no pod.
      podFailurePolicy: { rules: failureRules(module.retry.permanentExitCodes) },
      // ttlSecondsAfterFinished is set only when the Job is retired. Before, the cluster might delete the Job before we
      // read how it ended.
      template: {
        metadata: {
          ...pod?.metadata,
          labels: { ...pod?.metadata?.labels, ...labels },
          annotations: { ...UNMOVED, ...pod?.metadata?.annotations, ...message.annotations },
        },
        spec: podSpec(pod?.spec ?? { containers: [] }, module),
      },
    },
  };
}

/**
 * Keeps node autoscalers and Karpenter from moving the pod, which would repeat hours of work to save a node. A template
 * may say otherwise.
 */
const UNMOVED = {
  "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
  "karpenter.sh/do-not-disrupt": "true",
};

/** The label by which Azure Workload Identity gives a pod a token of its ServiceAccount's identity. */
export const USES_IDENTITY = "azure.workload.identity/use";

function jobTemplate(work: Work, message: MessageInPod): V1JobTemplateSpec {
  if (work.kind === "jobTemplate") return withMessage(work.jobTemplate, message);
  const spec = work.handler ? handlerPod(work.worker, work.handler, message) : workerPod(work.worker, message);
  if (work.serviceAccountName === undefined) return { spec: { template: { spec } } };
  const metadata = { labels: { [USES_IDENTITY]: "true" } };
  return { spec: { template: { metadata, spec: { ...spec, serviceAccountName: work.serviceAccountName } } } };
}

/** Adds the message's env and mounts to every container of the operator's template, and its volume to the pod. */
function withMessage(template: V1JobTemplateSpec, message: MessageInPod): V1JobTemplateSpec {
  const pod = template.spec?.template.spec ?? { containers: [] };
  const add = (container: V1Container): V1Container => ({
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...container,
    env: [...message.env, ...(container.env ?? [])],
    volumeMounts: [...(container.volumeMounts ?? []), message.mount],
  });
  const spec: V1PodSpec = {
    ...pod,
    containers: pod.containers.map(add),
    ...(pod.initContainers ? { initContainers: pod.initContainers.map(add) } : {}),
    volumes: [...(pod.volumes ?? []), message.volume],
  };
  return { ...template, spec: { ...template.spec, template: { ...template.spec?.template, spec } } };
}

function podSpec(spec: V1PodSpec, module: Module): V1PodSpec {
  return {
    // A worker gets no access to the API server unless its template says so.
    automountServiceAccountToken: false,
    // A Service named "dispatcher" would put variables into every pod that look like those of the message.
    enableServiceLinks: false,
    ...spec,
    restartPolicy: "Never",
    // The pod's own deadline keeps the pod and its logs, unlike the Job's, and does not count the wait for a node.
    activeDeadlineSeconds: seconds(module.maxRunningTimeMs),
  };
}

/**
 * Gives the rules by which a Job fails. Disruptions come first, because a pod that is being evicted may exit with any
 * code.
 */
function failureRules(permanentExitCodes: readonly number[]): V1PodFailurePolicyRule[] {
  const disrupted = { action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] };
  if (permanentExitCodes.length === 0) return [disrupted];
  const values = [...new Set(permanentExitCodes)].toSorted((a, b) => a - b);
  return [disrupted, { action: "FailJob", onExitCodes: { operator: "In", values } }];
}

/** Rounds up to whole seconds, at least one, because the cluster takes no fractions and no 0. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
