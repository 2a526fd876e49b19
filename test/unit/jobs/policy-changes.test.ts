import type { V1Job } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { policyChanges } from "../../../shared/jobs/policy-changes.ts";
import { sampleJobs } from "../../../shared/jobs/sample-jobs.ts";
import { aModule } from "./objects.ts";

const [sent] = sampleJobs({ instance: "one", namespace: "jobs", module: aModule(), bodyAccess: "inline" });

/** The sent Job as the API server gives it back: with its defaults, and as a policy changed it. */
function stored(change: (job: Parts) => void = () => {}): V1Job {
  const job = structuredClone(sent);
  const template = job.spec?.template;
  const pod = template?.spec;
  const [container] = pod?.containers ?? [];
  if (!job.metadata || !job.spec || !template?.metadata || !pod || !container) throw new Error("the Job has no pod");
  const parts = { metadata: job.metadata, spec: job.spec, template: template.metadata, pod, container };
  Object.assign(job.metadata, { uid: "u", creationTimestamp: new Date(0), generation: 1 });
  Object.assign(job.spec, { completionMode: "NonIndexed", suspend: false, podReplacementPolicy: "Failed" });
  template.metadata.labels = { ...template.metadata.labels, "batch.kubernetes.io/controller-uid": "u" };
  Object.assign(pod, { dnsPolicy: "ClusterFirst", schedulerName: "default-scheduler" });
  for (const { valueFrom } of container.env ?? []) if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion = "v1";
  // The server leaves out what is empty, as DISPATCHER_PUBLISHES is here.
  for (const variable of container.env ?? []) if (variable.value === "") delete variable.value;
  for (const { downwardAPI } of pod.volumes ?? []) if (downwardAPI) downwardAPI.defaultMode = 420;
  change(parts);
  return job;
}
interface Parts {
  readonly metadata: NonNullable<V1Job["metadata"]>;
  readonly spec: NonNullable<V1Job["spec"]>;
  readonly template: NonNullable<NonNullable<V1Job["spec"]>["template"]["metadata"]>;
  readonly pod: NonNullable<NonNullable<V1Job["spec"]>["template"]["spec"]>;
  readonly container: NonNullable<NonNullable<V1Job["spec"]>["template"]["spec"]>["containers"][number];
}

const INSTANCE = "app.kubernetes.io/instance";

describe("what a policy changes in a Job", () => {
  it("is nothing where the server only fills in its defaults", () => {
    expect(policyChanges(sent, sent)).toEqual([]);
    expect(policyChanges(sent, stored())).toEqual([]);
  });

  it("is nothing where it adds what is not the Dispatcher's", () => {
    const added = stored(({ metadata, spec, template, pod, container }) => {
      metadata.labels = { ...metadata.labels, team: "a" };
      template.annotations = { ...template.annotations, "sidecar.istio.io/inject": "false" };
      spec.suspend = true;
      pod.tolerations = [{ key: "spot", operator: "Exists" }];
      pod.volumes?.unshift({ name: "certificates", emptyDir: {} });
      container.env?.unshift({ name: "HTTPS_PROXY", value: "http://proxy" });
    });
    expect(policyChanges(sent, added)).toEqual([]);
  });

  it.each<{ name: string; change: (job: Parts) => void; says: string; follows: RegExp }>([
    {
      name: "a label by which the Dispatcher finds its Jobs",
      change: ({ metadata }) => void (metadata.labels = { ...metadata.labels, [INSTANCE]: "team-a" }),
      says: `metadata.labels[${INSTANCE}] from "one" to "team-a"`,
      follows: /would not know its own Jobs/,
    },
    {
      name: "an annotation that says which run a Job is of",
      change: ({ metadata }) => delete metadata.annotations?.["ion/source"],
      says: `metadata.annotations[ion/source] from "{\\"queue\\":\\"thumbnails\\"}" to nothing`,
      follows: /would not know its own Jobs/,
    },
    {
      name: "a label by which it finds the pods",
      change: ({ template }) => void (template.labels = { ...template.labels, [INSTANCE]: "team-a" }),
      says: `spec.template.metadata.labels[${INSTANCE}] from "one" to "team-a"`,
      follows: /would not see the pods/,
    },
    {
      name: "an annotation that carries the message",
      change: ({ template }) => delete template.annotations?.["ion/message"],
      says: `spec.template.metadata.annotations[ion/message] from "{}" to nothing`,
      follows: /would not find its message/,
    },
    {
      name: "a variable that shows it",
      change: ({ container }) =>
        void (container.env = container.env?.filter(({ name }) => name !== "DISPATCHER_MESSAGE_FILE") ?? []),
      says: `spec.template.spec.containers[worker].env[DISPATCHER_MESSAGE_FILE] from {"name":"DISPATCHER_MESSAGE_FILE","value":"/dispatcher/message"} to nothing`,
      follows: /would not find its message/,
    },
    {
      name: "the volume of its files",
      change: ({ pod }) => void (pod.volumes = []),
      says: "spec.template.spec.volumes[dispatcher-message] from",
      follows: /would not find its message/,
    },
    {
      name: "their mount",
      change: ({ container }) => void (container.volumeMounts = []),
      says: "spec.template.spec.containers[worker].volumeMounts[dispatcher-message] from",
      follows: /would not find its message/,
    },
    {
      name: "how many pods there are",
      change: ({ spec }) => void (spec.parallelism = 2),
      says: "spec.parallelism from 1 to 2",
      follows: /several pods at once/,
    },
    {
      name: "how often the cluster tries",
      change: ({ spec }) => void (spec.backoffLimit = 6),
      says: "spec.backoffLimit from 0 to 6",
      follows: /repeat an attempt by itself/,
    },
    {
      name: "what ends a Job",
      change: ({ spec }) => void (spec.podFailurePolicy = { rules: [] }),
      says: "spec.podFailurePolicy from",
      follows: /repeat an attempt by itself/,
    },
    {
      name: "how long the pod may run",
      change: ({ pod }) => void (pod.activeDeadlineSeconds = 60),
      says: "spec.template.spec.activeDeadlineSeconds from 600 to 60",
      follows: /end at another time/,
    },
    {
      name: "when the cluster deletes the Job",
      change: ({ spec }) => void (spec.ttlSecondsAfterFinished = 100),
      says: "spec.ttlSecondsAfterFinished from nothing to 100",
      follows: /might delete a finished Job/,
    },
    {
      name: "who runs the Job",
      change: ({ spec }) => void (spec.managedBy = "kueue.x-k8s.io/multikueue"),
      says: 'spec.managedBy from nothing to "kueue.x-k8s.io/multikueue"',
      follows: /own Job controller/,
    },
  ])("is told: $name", ({ change, says, follows }) => {
    const [found, ...others] = policyChanges(sent, stored(change));
    expect(others).toEqual([]);
    expect(found?.level).toBe("error");
    expect(found?.changed).toHaveLength(1);
    expect(found?.changed[0]).toContain(says);
    expect(found?.follows).toMatch(follows);
  });

  it("is told once for each thing that follows, with all that was changed", () => {
    const [found, ...others] = policyChanges(
      sent,
      stored(({ metadata }) => void (metadata.labels = { team: "a" })),
    );
    expect(others).toEqual([]);
    expect(found?.changed).toEqual([
      'metadata.labels[app.kubernetes.io/managed-by] from "dispatcher" to nothing',
      'metadata.labels[app.kubernetes.io/instance] from "one" to nothing',
      'metadata.labels[ion/module] from "thumbnail" to nothing',
      'metadata.labels[ion/attempt] from "1" to nothing',
    ]);
  });

  it("is a warning where it is a label or annotation that no promise depends on", () => {
    const autoscaler = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    const changed = stored(
      ({ template }) => void (template.annotations = { ...template.annotations, [autoscaler]: "true" }),
    );
    expect(policyChanges(sent, changed)).toEqual([
      {
        level: "warning",
        changed: [`spec.template.metadata.annotations[${autoscaler}] from "false" to "true"`],
        follows: expect.stringMatching(/would not happen/),
      },
    ]);
  });
});
