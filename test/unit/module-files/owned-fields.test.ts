import { describe, expect, it } from "vitest";
import { isOwnEnv } from "../../../shared/jobs/message-pod.ts";
import { ownedFields } from "../../../shared/module-files/owned-fields.ts";

/** The template with one field set, by its path. */
function withField(path: string, value: unknown): unknown {
  return path.split(".").reduceRight<unknown>((inner, step) => (step === "0" ? [inner] : { [step]: inner }), value);
}

const pod = "spec.template.spec";

describe("fields that the Dispatcher owns", () => {
  it.each([
    ["metadata.name", "x", "names its Jobs"],
    ["metadata.generateName", "x-", "names its Jobs"],
    ["metadata.namespace", "x", "JOB_NAMESPACE"],
    ["metadata.labels.ion/module", "x", "finds its Jobs"],
    ["metadata.annotations.ion/anything", "x", "finds its Jobs"],
    ["spec.backoffLimit", 0, "retry.maxAttempts"],
    ["spec.backoffLimitPerIndex", 1, "retry.maxAttempts"],
    ["spec.maxFailedIndexes", 1, "retry.maxAttempts"],
    ["spec.podFailurePolicy", {}, "retry.permanentExitCodes"],
    ["spec.activeDeadlineSeconds", 1, "maxRunningTime"],
    ["spec.ttlSecondsAfterFinished", 1, "JOB_RETENTION"],
    ["spec.parallelism", 2, "one pod"],
    ["spec.completions", 2, "one pod"],
    ["spec.completionMode", "Indexed", "one pod"],
    ["spec.successPolicy", {}, "one pod"],
    ["spec.podReplacementPolicy", "Failed", "one pod"],
    ["spec.selector", {}, "finds its Jobs"],
    ["spec.manualSelector", true, "finds its Jobs"],
    ["spec.managedBy", "x/y", "Job controller"],
    ["spec.template.metadata.name", "x", "names its Jobs"],
    ["spec.template.metadata.generateName", "x", "names its Jobs"],
    ["spec.template.metadata.namespace", "x", "JOB_NAMESPACE"],
    ["spec.template.metadata.labels.ion/retired", "true", "finds its Jobs"],
    [`${pod}.activeDeadlineSeconds`, 1, "maxRunningTime"],
    [`${pod}.restartPolicy`, "OnFailure", "retry.maxAttempts"],
    [`${pod}.volumes.0.name`, "dispatcher-message", "another name"],
    [`${pod}.containers.0.env.0.name`, "DISPATCHER_MESSAGE_ID", "another name"],
    [`${pod}.initContainers.0.env.0.name`, "TRACEPARENT", "another name"],
    [`${pod}.containers.0.volumeMounts.0.mountPath`, "/dispatcher", "mount it elsewhere"],
    [`${pod}.containers.0.volumeMounts.0.mountPath`, "/dispatcher/x", "mount it elsewhere"],
  ])("refuses %s: %j, and says what to do", (path, value, instead) => {
    const found = ownedFields(withField(path, value));
    expect(found.map((field) => field.path.join("."))).toEqual([path]);
    expect(found[0]?.instead).toContain(instead);
  });

  it.each([["app.kubernetes.io/managed-by"], ["app.kubernetes.io/instance"]])("refuses the label %s", (label) => {
    expect(ownedFields({ metadata: { labels: { [label]: "x" } } })).toMatchObject([
      { path: ["metadata", "labels", label] },
    ]);
  });

  it.each([
    ["spec.suspend", true],
    [`${pod}.restartPolicy`, "Never"],
    [`${pod}.terminationGracePeriodSeconds`, 300],
    [`${pod}.containers.0.env.0.name`, "MY_DISPATCHER_MESSAGE"],
    [`${pod}.containers.0.volumeMounts.0.mountPath`, "/dispatcher-data"],
    ["metadata.labels.kueue.x-k8s.io/queue-name", "q"],
    ["metadata.annotations.team", "a"],
  ])("leaves %s: %j alone", (path, value) => {
    expect(ownedFields(withField(path, value))).toEqual([]);
  });

  it.each([null, 1, "x", [], { spec: null }, { spec: { template: { spec: { containers: [null, { env: "x" }] } } } }])(
    "survives a template that is none: %j",
    (template) => {
      expect(ownedFields(template)).toEqual([]);
    },
  );

  it("knows the variables by which the message is told", () => {
    expect(["DISPATCHER_X", "TRACEPARENT", "dispatcher_x", "PATH"].map(isOwnEnv)).toEqual([true, true, false, false]);
  });
});
