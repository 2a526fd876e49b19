import type { V1Container, V1Job, V1JobTemplateSpec, V1PodFailurePolicyRule, V1PodSpec } from "@kubernetes/client-node";
import type { Module, Work } from "../modules/module.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { Run } from "../run/run.ts";
import { handlerPod } from "./handler-pod.ts";
import { identityAnnotations, identityLabels } from "./job-identity.ts";
import { jobName } from "./job-name.ts";
import { bodyText, propertiesJson } from "./message-files.ts";
import { type MessageInPod, messageInPod } from "./message-pod.ts";
import { workerPod } from "./worker-pod.ts";

/** Body and properties together, as carried: a body beyond it goes to the payload store. Lists of Jobs and etcd would pay for more. */
const MAX_INLINE_BYTES = 16 * 1024;

/** What the Job's own deadline leaves, after all of the pod's time-outs, for the cluster to act on them. */
const SLACK_SECONDS = 60;

/** The cluster's default between SIGTERM and SIGKILL. */
const DEFAULT_GRACE_SECONDS = 30;

/** Whether the message can go along in the Job itself; otherwise its body goes to the payload store. */
export function fitsInline(message: PeekedMessage): boolean {
  // Text is at least as long as its bytes; a body of megabytes need not be encoded to know.
  if (message.body.byteLength > MAX_INLINE_BYTES) return false;
  const body = Buffer.byteLength(bodyText(message.body).text);
  return body + Buffer.byteLength(propertiesJson(message)) <= MAX_INLINE_BYTES;
}

/**
 * After how long, in ms, a module's Job is over by its own deadline, whatever happens: a backstop behind the start timeout and the pod's own
 * deadline. Suspended time does not count.
 */
export function jobLimitMs(module: Module): number {
  return jobLimitSeconds(module) * 1000;
}

/**
 * The Job of a run's current attempt. The spec is the operator's; the message only adds data, as annotations of the pod, which hold at most
 * 16 KiB: a message that doesn't `fitsInline` needs a `bodyUrl`. One Job makes one pod, once: retries are the run's, not the Job's.
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
      // Never the body: a Job's own annotations are in every list of Jobs.
      annotations: { ...template.metadata?.annotations, ...identityAnnotations(run) },
    },
    spec: {
      ...template.spec,
      parallelism: 1,
      completions: 1,
      backoffLimit: 0,
      activeDeadlineSeconds: jobLimitSeconds(module),
      podFailurePolicy: { rules: failureRules(module.retry.permanentExitCodes) },
      // No ttlSecondsAfterFinished: the verdict would race it. It is set when the attempt is settled.
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

/** To a node autoscaler, Karpenter among them: saving a node is no reason to begin hours of work again. A template may say otherwise. */
const UNMOVED = {
  "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
  "karpenter.sh/do-not-disrupt": "true",
};

function jobTemplate(work: Work, message: MessageInPod): V1JobTemplateSpec {
  if (work.kind === "jobTemplate") return withMessage(work.jobTemplate, message);
  const spec = work.handler ? handlerPod(work.worker, work.handler, message) : workerPod(work.worker, message);
  return { spec: { template: { spec } } };
}

/** The operator's template with the message's env and mounts in every container, and its volume in the pod. */
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
    // A worker has no business with the API server unless its template says so.
    automountServiceAccountToken: false,
    // A Service named "dispatcher" would put variables into every pod that look like ours.
    enableServiceLinks: false,
    ...spec,
    restartPolicy: "Never",
    // The pod's own deadline and not the Job's: it leaves the pod and its logs, and waiting for a node doesn't count.
    activeDeadlineSeconds: seconds(module.maxRunningTimeMs),
  };
}

/** First the cluster's fault: a pod that is being evicted may exit with any code. */
function failureRules(permanentExitCodes: readonly number[]): V1PodFailurePolicyRule[] {
  const disrupted = { action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] };
  if (permanentExitCodes.length === 0) return [disrupted];
  const values = [...new Set(permanentExitCodes)].toSorted((a, b) => a - b);
  return [disrupted, { action: "FailJob", onExitCodes: { operator: "In", values } }];
}

function jobLimitSeconds(module: Module): number {
  const pod = module.work.kind === "jobTemplate" ? module.work.jobTemplate.spec?.template.spec : undefined;
  const grace = pod?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  return seconds(module.startTimeoutMs) + seconds(module.maxRunningTimeMs) + grace + SLACK_SECONDS;
}

/** Whole seconds, at least one: the cluster knows no less. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
