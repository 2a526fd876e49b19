import { describe, expect, it } from "vitest";
import { sampleJobs } from "../../../shared/jobs/sample-jobs.ts";
import { moduleField } from "../../../shared/module-files/module-field.ts";
import type { Module, Work } from "../../../shared/modules/module.ts";
import { aModule } from "../jobs/objects.ts";

const worker: Work = { kind: "worker", worker: { image: "w", env: { MODE: "fast" } }, handler: undefined };
const handled: Work = { kind: "worker", worker: { image: "w" }, handler: { image: "h", env: { MODE: "fast" } } };
const template: Work = {
  kind: "jobTemplate",
  jobTemplate: {
    spec: {
      template: {
        spec: {
          initContainers: [{ name: "first", image: "i", env: [{ name: "A", value: "a" }] }],
          containers: [
            { name: "main", image: "m" },
            { name: "worker", image: "w", env: [{ name: "B", value: "b" }, { name: "C" }] },
          ],
        },
      },
    },
  },
};

const jobOf = (module: Module) => sampleJobs({ instance: "one", namespace: "jobs", module, bodyAccess: "inline" })[0];

/** The path of a variable in the Job as it is sent, with those of the message before it. */
function envPath(module: Module, list: "initContainers" | "containers", index: number, name: string): string {
  const env = jobOf(module).spec?.template.spec?.[list]?.[index]?.env ?? [];
  return `spec.template.spec.${list}[${index}].env[${env.findIndex((one) => one.name === name)}]`;
}

describe("the module file's field for a field of the Job", () => {
  it.each([
    { work: worker, field: "spec.template.spec.containers[0].image", is: "worker.image" },
    {
      work: worker,
      field: "spec.template.spec.containers[0].resources.limits[cpu]",
      is: "worker.resources.limits[cpu]",
    },
    { work: handled, field: "spec.template.spec.initContainers[0].image", is: "handler.image" },
    { work: handled, field: "spec.template.spec.initContainers[1].image", is: "worker.image" },
    { work: handled, field: "spec.template.spec.containers[0].args", is: "handler.args" },
    { work: worker, field: "spec.podFailurePolicy.rules[1].onExitCodes.values", is: "retry.permanentExitCodes" },
    { work: worker, field: "spec.template.spec.activeDeadlineSeconds", is: "maxRunningTime" },
    { work: worker, field: "spec.template.spec.serviceAccountName", is: "serviceAccountName" },
    {
      work: template,
      field: "spec.template.spec.volumes[0].name",
      is: "jobTemplate.spec.template.spec.volumes[0].name",
    },
    {
      work: template,
      field: "spec.template.spec.containers[1].image",
      is: "jobTemplate.spec.template.spec.containers[1].image",
    },
  ])("of $field is $is", ({ work, field, is }) => {
    const module = aModule({ work });
    expect(moduleField(module, jobOf(module), field)).toBe(is);
  });

  it("counts a template's variables without those of the message", () => {
    const module = aModule({ work: template });
    const at = (path: string) => moduleField(module, jobOf(module), `${path}.name`);
    const spec = "jobTemplate.spec.template.spec";
    expect(at(envPath(module, "containers", 1, "C"))).toBe(`${spec}.containers[1].env[1].name`);
    expect(at(envPath(module, "initContainers", 0, "A"))).toBe(`${spec}.initContainers[0].env[0].name`);
  });

  it("names a worker's and a handler's variables", () => {
    const alone = aModule({ work: worker });
    const path = `${envPath(alone, "containers", 0, "MODE")}.valueFrom.secretKeyRef.name`;
    expect(moduleField(alone, jobOf(alone), path)).toBe("worker.env.MODE.valueFrom.secretKeyRef.name");
    const both = aModule({ work: handled });
    expect(moduleField(both, jobOf(both), `${envPath(both, "containers", 0, "MODE")}.name`)).toBe("handler.env.MODE");
  });

  it("leaves a field as it is that the shorthand can't write", () => {
    const module = aModule({ work: worker });
    const fields = [
      "metadata.labels",
      "spec.template.spec.containers[0].imagePullPolicy",
      "spec.template.spec.containers[0].volumeMounts[0].name",
      envPath(module, "containers", 0, "DISPATCHER_RUN_ID"),
    ];
    for (const field of fields) expect(moduleField(module, jobOf(module), field)).toBe(field);
  });
});
