import { randomUUID } from "node:crypto";
import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { installKedaCrds } from "../../real-cluster/keda-crds.ts";
import { type Kubectl, makeKubectl } from "../../real-cluster/kubectl.ts";
import { programsOf } from "../../real-cluster/programs.ts";
import { valueAt } from "../../shared/plain-data.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { type Chart, objectAt, openChart, type Rendered } from "./chart.ts";
import { CONNECTED, VALUES } from "./chart-values.ts";
import { makeNamespace, type TestNamespace } from "./namespace.ts";
import { TESTED_KEDA } from "./tested-keda.ts";

// A real API server judges everything that the chart makes: KEDA's kinds by their CRDs, the policy's CEL, and unknown
// fields.

const KINDS = [
  "ConfigMap",
  "Deployment",
  "NetworkPolicy",
  "PodDisruptionBudget",
  "PriorityClass",
  "Role",
  "RoleBinding",
  "ScaledObject",
  "ServiceAccount",
  "ServiceAccount",
  "TriggerAuthentication",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
];

describe.skipIf(!inject("ownsCluster"))(`the chart's objects ${NEEDS_OWN_CLUSTER}`, () => {
  const admin = new KubeConfig();
  let chart: Chart;
  let kubectl: Kubectl;
  let namespace: TestNamespace;

  beforeAll(async () => {
    admin.loadFromFile(inject("kubeconfig"));
    const binaries = await programsOf(["kubernetes", "helm"]);
    chart = await openChart(binaries);
    kubectl = makeKubectl(binaries, inject("kubeconfig"));
    await installKedaCrds(inject("kubeconfig"), binaries, TESTED_KEDA);
    namespace = await makeNamespace(admin, `chart-${randomUUID().slice(0, 8)}`, {
      "pod-security.kubernetes.io/enforce": "restricted",
    });
  }, 900_000);
  afterAll(async () => {
    await namespace?.remove();
    await chart?.close();
  });

  /** Renders everything into one namespace, because a dry run makes no namespace that the objects could be in. */
  const render = (values: (typeof VALUES)[number]["values"]) =>
    chart.render([...values, { jobNamespace: namespace.name }], namespace.name);

  async function dryRun(objects: readonly Rendered[]): Promise<Rendered[]> {
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const flags = ["--server-side", "--dry-run=server", "--validate=strict", "--output=json", "--filename=-"];
    const taken = JSON.parse(await kubectl(["apply", ...flags], list));
    // kubectl prints a single object as itself, not as a list.
    return taken.kind === "List" ? taken.items : [taken];
  }

  test.each(VALUES)("are taken by the API server, every one: $name", async ({ values }) => {
    const taken = await dryRun(await render(values));
    const services = values.includes("values.page.yaml") ? ["Service"] : [];
    expect(taken.map(({ kind }) => kind).toSorted()).toEqual([...KINDS, ...services].toSorted());
    for (const { metadata } of taken) expect(metadata?.uid).toBeTruthy();
  });

  test("would be refused with a field that KEDA does not know", async () => {
    const objects = await render([CONNECTED]);
    const wrong = objects.map((object) =>
      object.kind === "ScaledObject" ? { ...object, spec: { ...objectAt(object, "spec"), triger: [] } } : object,
    );
    // kubectl itself refuses it once the API server has published KEDA's schema. Before that, the API server does.
    await expect(dryRun(wrong)).rejects.toThrow(/unknown field "(?:spec\.)?triger"/);
  });

  test("have a namespace for the Jobs, which is taken as well", async () => {
    const objects = await chart.render([CONNECTED], namespace.name);
    const [made] = await dryRun(objects.filter(({ kind }) => kind === "Namespace"));
    expect(valueAt(made, ["metadata", "labels", "pod-security.kubernetes.io/enforce"])).toBe("restricted");
  });

  test.each(VALUES)("have a pod that Pod Security's restricted level lets in: $name", async ({ values }) => {
    const deployment = (await render(values)).find(({ kind }) => kind === "Deployment");
    const { metadata, spec } = objectAt(deployment, "spec", "template");
    const { priorityClassName, ...rest } = objectAt(spec);
    expect(priorityClassName).toBe(`${namespace.name}-dispatcher`);
    // The chart makes an account and a PriorityClass of its own, which a dry run does not. This account exists already.
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...objectAt(metadata), name: "app", namespace: namespace.name },
      spec: { ...rest, serviceAccountName: "default" },
    };
    const [taken] = await dryRun([pod]);
    expect(taken).toMatchObject({ kind: "Pod", metadata: { name: "app" } });
  });
});
