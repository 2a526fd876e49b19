import { randomUUID } from "node:crypto";
import {
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Job,
  type V1PodSpec,
  type V1Volume,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { stringify } from "yaml";
import { type Kubectl, makeKubectl } from "../../real-cluster/kubectl.ts";
import { programsOf } from "../../real-cluster/programs.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { sampleJobs } from "../../shared/jobs/sample-jobs.ts";
import { parseModuleFile } from "../../shared/module-files/parse-module-file.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { type Chart, openChart, RELEASE } from "./chart.ts";
import { CONNECTED } from "./chart-values.ts";
import { accessOf } from "./dispatcher-under-test.ts";
import { makeNamespace, type TestNamespace } from "./namespace.ts";

// These tests cover what the chart's ValidatingAdmissionPolicy still allows with the app's token. The account, its Role
// and the policy are the chart's own.

const PARTS = ["service-account", "role", "role-binding", "job-policy", "job-policy-binding"];
const INSTANCE = "dispatcher";
/** There is a label, because the API server would give a Job without any those of its pod. */
const OF_NOBODY = { some: "thing" };
const MERGE_PATCH = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

const admin = new KubeConfig();
const app = new KubeConfig();
let chart: Chart;
let kubectl: Kubectl;
let namespace: TestNamespace;
let manifest: string;

/** Signs in as the app's own account, with a token that the cluster makes for it. */
async function signIn(): Promise<void> {
  const { status } = await admin.makeApiClient(CoreV1Api).createNamespacedServiceAccountToken({
    namespace: namespace.name,
    name: RELEASE,
    body: { spec: { audiences: [], expirationSeconds: 3_600 } },
  });
  const { server, ca } = accessOf(admin);
  app.loadFromClusterAndUser(
    { name: "c", server, caData: Buffer.from(ca).toString("base64"), skipTLSVerify: false },
    { name: "app", token: status?.token ?? "" },
  );
}

const asAdmin = () => admin.makeApiClient(BatchV1Api);
const asApp = () => app.makeApiClient(BatchV1Api);
const create = (body: V1Job) => asApp().createNamespacedJob({ namespace: namespace.name, body, dryRun: "All" });

/** A Job as the app makes it, of a module with a handler, so that its pod has both kinds of containers. */
function aJob(): V1Job {
  const document = {
    name: "work",
    source: { queue: "work" },
    worker: { image: "busybox:1.36" },
    handler: { image: "busybox:1.36" },
  };
  const { module } = parseModuleFile("work.yaml", stringify(document));
  if (module === undefined) throw new Error("the module is wrong");
  return sampleJobs({ instance: INSTANCE, namespace: namespace.name, module, bodyAccess: "inline" })[0];
}

interface Change {
  /** Replaces the Job's own labels. */
  readonly labels?: Record<string, string>;
  readonly pod?: Partial<V1PodSpec>;
  /** A volume beside the Job's own. */
  readonly volume?: V1Volume;
  /** Which containers' security context the change goes into. */
  readonly of?: "containers" | "initContainers";
  readonly security?: object;
}

function changed({ labels, pod = {}, volume, of, security }: Change): V1Job {
  const job = aJob();
  const spec = job.spec?.template.spec;
  if (job.metadata === undefined || spec === undefined || spec === null) throw new Error("the Job has no pod");
  if (labels !== undefined) job.metadata.labels = labels;
  Object.assign(spec, pod);
  if (volume !== undefined) spec.volumes = [...(spec.volumes ?? []), volume];
  const container = of === undefined ? undefined : spec[of]?.at(-1);
  if (of !== undefined && container === undefined) throw new Error(`there are no ${of}`);
  if (container !== undefined) container.securityContext = { ...container.securityContext, ...security };
  return job;
}

const MANAGED = { "app.kubernetes.io/managed-by": "dispatcher" };
const REFUSED: readonly (Change & { readonly name: string; readonly says: RegExp })[] = [
  { name: "a Job without its labels", labels: OF_NOBODY, says: /may only write Jobs that carry the labels/ },
  { name: "a Job labelled as no instance's", labels: MANAGED, says: /may only write Jobs that carry the labels/ },
  {
    name: "a Job labelled as another Dispatcher's",
    labels: { ...MANAGED, "app.kubernetes.io/instance": "other" },
    says: /may only write Jobs that carry the labels/,
  },
  {
    name: "a privileged container",
    of: "containers",
    security: { privileged: true, allowPrivilegeEscalation: true },
    says: /may have no privileged container/,
  },
  {
    name: "a privileged init container",
    of: "initContainers",
    security: { privileged: true, allowPrivilegeEscalation: true },
    says: /may have no privileged container/,
  },
  {
    name: "an added capability",
    of: "containers",
    security: { capabilities: { add: ["SYS_ADMIN"] } },
    says: /may add no capability/,
  },
  { name: "the node's network", pod: { hostNetwork: true }, says: /may share no namespace/ },
  { name: "the node's processes", pod: { hostPID: true }, says: /may share no namespace/ },
  { name: "the node's IPC", pod: { hostIPC: true }, says: /may share no namespace/ },
  {
    name: "the node's files",
    volume: { name: "node", hostPath: { path: "/" } },
    says: /may mount no hostPath/,
  },
  {
    name: "a ServiceAccount that no module names",
    pod: { serviceAccountName: "cluster-admin" },
    says: /may have no ServiceAccount that none of its modules names/,
  },
  {
    name: "one by the field's old name",
    pod: { serviceAccount: "cluster-admin" },
    says: /may have no ServiceAccount that none of its modules names/,
  },
];

/** The modules of the chart, two of which name a ServiceAccount. */
const MODULES = [
  { name: "work", source: { queue: "work" }, worker: { image: "busybox:1.36" } },
  { name: "named", source: { queue: "named" }, serviceAccountName: "reader", worker: { image: "busybox:1.36" } },
  {
    name: "whole",
    source: { queue: "whole" },
    jobTemplate: {
      spec: {
        template: { spec: { serviceAccountName: "writer", containers: [{ name: "main", image: "busybox:1.36" }] } },
      },
    },
  },
];

describe.skipIf(!inject("ownsCluster"))(`the app's account ${NEEDS_OWN_CLUSTER}`, () => {
  beforeAll(async () => {
    admin.loadFromFile(inject("kubeconfig"));
    const binaries = await programsOf(["kubernetes", "helm"]);
    chart = await openChart(binaries);
    kubectl = makeKubectl(binaries, inject("kubeconfig"));
    namespace = await makeNamespace(admin, `policy-${randomUUID().slice(0, 8)}`);
    const only = PARTS.map((part) => `--show-only=templates/${part}.yaml`);
    const values = [CONNECTED, { jobNamespace: namespace.name, instance: INSTANCE, modules: MODULES }];
    const items = await chart.render(values, namespace.name, ...only);
    manifest = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    await kubectl(["apply", "--server-side", "--filename=-"], manifest);
    await signIn();
    // The API server takes a moment to notice the policy. From then on it judges every request.
    const isKnown = () =>
      create(changed({ labels: OF_NOBODY })).then(
        () => false,
        (error: unknown) => String(error).includes("may only write Jobs that carry the labels"),
      );
    await vi.waitUntil(isKnown, { timeout: 60_000, interval: 100 });
  }, 900_000);
  afterAll(async () => {
    if (manifest !== undefined) await kubectl(["delete", "--ignore-not-found", "--filename=-"], manifest);
    await namespace?.remove();
    await chart?.close();
  });

  test("creates the Jobs of its modules", async () => {
    const cluster = makeKubernetesJobs({ kubeconfig: app, namespace: namespace.name, instance: INSTANCE });
    expect(await cluster.tryCreate(aJob())).toMatchObject({ kind: "accepted", warnings: [] });
  });

  test("creates one that adds a capability of Pod Security's baseline", async () => {
    const job = changed({ of: "containers", security: { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } } });
    expect((await create(job)).metadata?.name).toBe(job.metadata?.name);
  });

  test.each(["default", `${RELEASE}-job`, "reader", "writer"])(
    "creates one with the ServiceAccount %s",
    async (name) => {
      const made = await create(changed({ pod: { serviceAccountName: name } }));
      expect(made.spec?.template.spec?.serviceAccountName).toBe(name);
    },
  );

  test.each(REFUSED)("is refused $name", async ({ says, ...change }) => {
    await expect(create(changed(change))).rejects.toThrow(says);
  });

  test("changes no Job but its own, and ends its own", async () => {
    const own = await asAdmin().createNamespacedJob({ namespace: namespace.name, body: named("own", aJob()) });
    const other = named("other", changed({ labels: { ...MANAGED, "app.kubernetes.io/instance": "other" } }));
    await asAdmin().createNamespacedJob({ namespace: namespace.name, body: other });
    // The policy judges the Job as it was before the change, so nobody gets around it by labelling the Job first.
    const takeOver = { metadata: { labels: own.metadata?.labels }, spec: { activeDeadlineSeconds: 1 } };
    await expect(patch("other", takeOver)).rejects.toThrow(/may change only its own Jobs/);
    await expect(patch("other", { spec: { activeDeadlineSeconds: 1 } })).rejects.toThrow(
      /may only write Jobs that carry the labels/,
    );
    const ended = await patch("own", { spec: { activeDeadlineSeconds: 1 } });
    expect(ended.spec?.activeDeadlineSeconds).toBe(1);
  });

  test("can't label a Job of its own as another instance's", async () => {
    await asAdmin().createNamespacedJob({ namespace: namespace.name, body: named("mine", aJob()) });
    const labels = { "app.kubernetes.io/instance": "other" };
    await expect(patch("mine", { metadata: { labels } })).rejects.toThrow(/may only write Jobs that carry the labels/);
  });

  test("is the only account that the policy judges", async () => {
    const made = await asAdmin().createNamespacedJob({
      namespace: namespace.name,
      body: changed({ labels: OF_NOBODY }),
      dryRun: "All",
    });
    expect(made.metadata?.labels?.["app.kubernetes.io/managed-by"]).toBeUndefined();
  });
});

/** A copy under another name. It is suspended, so that it gets no pod. */
function named(name: string, job: V1Job): V1Job {
  job.metadata = { ...job.metadata, name };
  if (job.spec) job.spec.suspend = true;
  return job;
}

/** Patches a Job, as the app does. */
function patch(name: string, body: object): Promise<V1Job> {
  return asApp().patchNamespacedJob({ namespace: namespace.name, name, body }, MERGE_PATCH);
}
