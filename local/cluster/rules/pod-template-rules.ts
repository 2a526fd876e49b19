import type { V1PodTemplateSpec } from "@kubernetes/client-node";
import type { Container, Wire } from "../store/wire.ts";
import { checkAnnotations, checkDnsLabel, checkInteger, checkLabels, type Faults } from "./field-faults.ts";

/** Adds every fault of a Job's pod template that keeps it from running here. */
export function checkPodTemplate(faults: Faults, template: Wire<V1PodTemplateSpec> | undefined): void {
  checkLabels(faults, "spec.template.labels", template?.metadata?.labels);
  checkAnnotations(faults, "spec.template.annotations", template?.metadata?.annotations);
  const spec = template?.spec;
  const at = "spec.template.spec";
  if (spec === undefined || !Array.isArray(spec.containers) || spec.containers.length === 0) {
    faults.required(`${at}.containers`, "");
    return;
  }
  checkRestartPolicy(faults, spec.restartPolicy);
  checkInteger(faults, `${at}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1);
  checkInteger(faults, `${at}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds, 0);
  const volumes = new Set<string>();
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    checkDnsLabel(faults, `${at}.volumes[${index}].name`, volume.name);
    if (volumes.has(volume.name)) faults.duplicate(`${at}.volumes[${index}].name`, volume.name);
    volumes.add(volume.name);
  }
  const names = new Set<string>();
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    checkContainer(faults, `${at}.initContainers[${index}]`, container, names, volumes);
  }
  for (const [index, container] of spec.containers.entries()) {
    checkContainer(faults, `${at}.containers[${index}]`, container, names, volumes);
  }
}

function checkRestartPolicy(faults: Faults, policy: unknown): void {
  const field = "spec.template.spec.restartPolicy";
  if (policy === undefined || policy === "") faults.required(field, `valid values: "OnFailure", "Never"`);
  else if (policy === "OnFailure")
    faults.invalid(
      field,
      policy,
      "this local cluster runs restartPolicy Never only. Use a real cluster with --kubeconfig",
    );
  else if (policy !== "Never") faults.notSupported(field, policy, ["OnFailure", "Never"]);
}

function checkContainer(
  faults: Faults,
  at: string,
  container: Container,
  names: Set<string>,
  volumes: ReadonlySet<string>,
): void {
  checkDnsLabel(faults, `${at}.name`, container.name);
  if (names.has(container.name)) faults.duplicate(`${at}.name`, container.name);
  names.add(container.name);
  if (typeof container.image !== "string" || container.image === "") faults.required(`${at}.image`, "");
  for (const field of ["command", "args"] as const) {
    const words: unknown = container[field];
    if (words !== undefined && !(Array.isArray(words) && words.every((word) => typeof word === "string"))) {
      faults.invalid(`${at}.${field}`, words, "must be a list of strings");
    }
  }
  for (const [index, variable] of (container.env ?? []).entries()) {
    const name: unknown = variable.name;
    if (typeof name !== "string" || name === "") faults.required(`${at}.env[${index}].name`, "");
    else if (!/^[ -<>-~]+$/u.test(name)) {
      faults.invalid(
        `${at}.env[${index}].name`,
        name,
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
      );
    }
    if (variable.valueFrom !== undefined && (variable.value ?? "") !== "") {
      faults.invalid(`${at}.env[${index}].valueFrom`, "", "may not be specified when `value` is not empty");
    }
  }
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    if (!volumes.has(mount.name)) faults.notFound(`${at}.volumeMounts[${index}].name`, mount.name);
    if (typeof mount.mountPath !== "string" || mount.mountPath === "")
      faults.required(`${at}.volumeMounts[${index}].mountPath`, "");
    else if (paths.has(mount.mountPath))
      faults.invalid(`${at}.volumeMounts[${index}].mountPath`, mount.mountPath, "must be unique");
    paths.add(mount.mountPath);
  }
}
