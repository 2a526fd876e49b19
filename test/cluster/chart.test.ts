import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { globSync } from "tinyglobby";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { programsOf } from "../../real-cluster/programs.ts";
import { readConfig } from "../../shared/config.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { valueAt } from "../../shared/plain-data.ts";
import { makeDeployScript } from "../support/deploy-script.ts";
import { ofType, readPrediction } from "../support/predicted-resources.ts";
import { CHART, type Chart, objectAt, objectsAt, openChart, RELEASE, type Rendered, type Values } from "./chart.ts";
import { CONNECTED, SLEEPY, VALUES } from "./chart-values.ts";

// These tests cover what helm makes of the chart, and what it refuses. chart-accepted.test.ts tests that a cluster
// takes it, and keda.test.ts that it works.

let chart: Chart;
beforeAll(async () => {
  chart = await openChart(await programsOf(["helm"]));
}, 900_000);
afterAll(() => chart?.close());

const find = (objects: readonly Rendered[], kind: string) => {
  const [found, ...others] = objects.filter((one) => one.kind === kind);
  expect([kind, others]).toEqual([kind, []]);
  return found;
};
const one = async (kind: string, ...values: Values[]) => find(await chart.render(values), kind);
const modules = (...sources: object[]) => ({
  modules: sources.map((source, index) => ({ name: `m-${index}`, source, worker: { image: "a:1" } })),
});
const POD = ["spec", "template", "spec"];
const CONTAINER = [...POD, "containers", "0"];

test("every example of values is among those that helm and an API server judge", () => {
  const examples = globSync(["keda/values.*.yaml", "infra/values.*.yaml"]).map((file) => resolve(file));
  const judged = VALUES.flatMap(({ values }) => values).filter((one) => typeof one === "string");
  expect(examples.toSorted()).toEqual([...new Set(judged.map((file) => join(CHART, file)))].toSorted());
});

describe("helm", () => {
  test.each(VALUES)("lints the chart without a word: $name", async ({ values }) => {
    expect(await chart.helm("lint", CHART, "--strict", "--quiet", ...(await chart.files(values)))).toBe("");
  });

  test("renders the values that infra/deploy.sh fills in from a deployment's outputs", async () => {
    const script = await makeDeployScript();
    try {
      const identity = (last: number) => `00000000-0000-0000-0000-00000000000${last}`;
      const outputs = {
        jobNamespace: "runs",
        serviceBusFullyQualifiedNamespace: "sbns-dispatcher-dev.servicebus.windows.net",
        storageAccountName: "stdispatcherdev",
        storageBlobServiceUri: "https://stdispatcherdev.blob.core.windows.net/",
        storageTableServiceUri: "https://stdispatcherdev.table.core.windows.net/",
        workloadIdentityClientId: identity(1),
        workloadIdentityTenantId: identity(2),
        kedaIdentityClientId: identity(3),
        jobIdentityClientId: identity(4),
        applicationInsightsConnectionString: "InstrumentationKey=a;IngestionEndpoint=https://b/,c",
        applicationInsightsLogLevel: "Information",
        settingsTable: "Runs",
        settingsLockDuration: "5m",
      };
      const values = join(CHART, "values.production.yaml");
      const { code, calls } = await script.run(["dev", "--values", values, "--tag", "1.2.3"], { outputs });
      expect(code).toBe(0);
      // What it renders before there are outputs has to pass, too.
      const [, ...before] = calls.find(([tool, verb]) => tool === "helm" && verb === "template") ?? [];
      expect(await chart.helm(...before)).toContain("kind: ScaledObject");
      const [, , , , , ...rest] = calls.find(([tool, verb]) => tool === "helm" && verb === "upgrade") ?? [];
      const args = rest.slice(0, rest.indexOf("--wait"));
      const rendered = await chart.helm("template", RELEASE, CHART, ...args);
      for (const value of Object.values(outputs)) expect(rendered).toContain(value);
      expect(rendered).toContain('image: "acme.azurecr.io/dispatcher:1.2.3"');
    } finally {
      await script.close();
    }
  });
});

describe("what is rendered", () => {
  test.each(VALUES)("is configured as the app wants it: $name", async ({ values }) => {
    const objects = await chart.render(values);
    const directory = await mkdtemp(join(tmpdir(), "dispatcher-rendered-"));
    try {
      const files = Object.entries(objectAt(find(objects, "ConfigMap"), "data"));
      for (const [file, text] of files) await writeFile(join(directory, file), String(text));
      const loaded = loadModules(directory);
      const declared = (await Promise.all(values.map(moduleNames))).findLast((names) => names.length > 0);
      expect(loaded.map(({ name }) => name).toSorted()).toEqual(declared?.toSorted());

      const config = readConfig(environmentOf(find(objects, "Deployment")));
      expect(config.modulesDir).toBe(
        valueAt(find(objects, "Deployment"), [...CONTAINER, "volumeMounts", "0", "mountPath"]),
      );
      expect(config.instance).toBe("dispatcher");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test("has a trigger for each distinct source, however it is spelt", async () => {
    const given = modules(
      { queue: "Work" },
      { topic: "t", subscription: "a" },
      { queue: "work" },
      { topic: "T", subscription: "A" },
      { topic: "t", subscription: "b" },
    );
    const triggers = objectsAt(await one("ScaledObject", CONNECTED, given), "spec", "triggers");
    expect(triggers.map(({ metadata }) => metadata)).toEqual([
      { queueName: "Work", messageCount: "1000", activationMessageCount: "0" },
      { topicName: "t", subscriptionName: "a", messageCount: "1000", activationMessageCount: "0" },
      { topicName: "t", subscriptionName: "b", messageCount: "1000", activationMessageCount: "0" },
    ]);
    for (const trigger of triggers) expect(trigger).toMatchObject({ metricType: "AverageValue" });
  });

  test("keeps one replica awake by default, and none with scaleToZero while no source holds a message", async () => {
    const two = modules({ queue: "a" }, { queue: "b" });
    const [awake, sleepy] = [
      await one("ScaledObject", CONNECTED, two),
      await one("ScaledObject", CONNECTED, two, ...SLEEPY),
    ];
    expect(awake).toMatchObject({ spec: { minReplicaCount: 1, maxReplicaCount: 3 } });
    expect(sleepy).toMatchObject({ spec: { minReplicaCount: 0, fallback: { replicas: 1 } } });
    // A formula would let one count that can't be read hide the others.
    for (const object of [awake, sleepy]) expect(valueAt(object, ["spec", "advanced"])).toBeUndefined();
  });

  test("wakes for some minutes of each hour, or as the values say, but only if it sleeps at all", async () => {
    const wakesOf = async (...values: Values[]) =>
      objectsAt(await one("ScaledObject", CONNECTED, ...values), "spec", "triggers")
        .filter(({ type }) => type === "cron")
        .map(({ metadata }) => metadata);
    const hourly = { timezone: "UTC", start: "0 * * * *", end: "5 * * * *", desiredReplicas: "1" };
    expect(await wakesOf(...SLEEPY)).toEqual([hourly]);
    const daily = { start: "0 6 * * *", end: "10 6 * * *" };
    expect(await wakesOf(...SLEEPY, { scaling: { wakeUp: daily } })).toEqual([{ ...hourly, ...daily }]);
    expect(await wakesOf(...SLEEPY, { scaling: { wakeUp: { start: "", end: "" } } })).toEqual([]);
    expect(await wakesOf()).toEqual([]);
  });

  test("has large numbers in full, because KEDA can't read 1e+06", async () => {
    const large = 1_000_000;
    const scaling = { messageCount: large, pollingInterval: large, cooldownPeriod: large };
    const values = [CONNECTED, ...SLEEPY, { scaling, terminationGracePeriodSeconds: large }];
    const rendered = await chart.helm("template", RELEASE, CHART, ...(await chart.files(values)));
    expect(rendered).toContain('messageCount: "1000000"');
    expect(rendered).not.toMatch(/\de\+\d/);
  });

  test("has names as text, also those that look like numbers", async () => {
    const secret = (name: string, key: string) => ({ connectionStringSecret: { name, key } });
    const given = {
      jobNamespace: "2028",
      instance: "2029",
      serviceBus: secret("2030", "2031"),
      storage: secret("2032", "2033"),
      priorityClass: { name: "2034" },
    };
    const flags = [...(await chart.files([CONNECTED, given])), "--namespace=2027"];
    const rendered = await chart.helm("template", "2026", CHART, ...flags);
    const objects = parseAllDocuments(rendered).map((document): Rendered => document.toJS());
    expect(find(objects, "Role")).toMatchObject({ metadata: { name: "2026", namespace: "2028" } });
    expect(JSON.stringify(objects)).not.toMatch(/[:,[]20[23]\d[,}\]]/);
  });

  test("rolls the pods for a change of a module, all old ones first, and for no change of the scaling", async () => {
    const podOf = async (...more: Values[]) =>
      JSON.stringify(valueAt(await one("Deployment", CONNECTED, ...more), ["spec", "template"]));
    const before = await podOf();
    expect(await podOf({ modules: [{ ...CONNECTED.modules[0], maxRunningTime: "2m" }] })).not.toBe(before);
    expect(await podOf({ scaling: { maxReplicas: 5 } })).toBe(before);
    expect(await one("Deployment", CONNECTED)).toMatchObject({ spec: { strategy: { type: "Recreate" } } });
  });

  test("comes before the Jobs on a full node: by a PriorityClass of its own, or by one that is there", async () => {
    const own = await one("PriorityClass", CONNECTED);
    expect(own).toMatchObject({ metadata: { name: "dispatcher-dispatcher" }, value: 1_000_000 });
    expect(valueAt(own, ["globalDefault"])).toBeUndefined();
    const classOf = async (priorityClass: object) => {
      const objects = await chart.render([CONNECTED, { priorityClass }]);
      const made = objects.filter(({ kind }) => kind === "PriorityClass").map(({ metadata }) => metadata?.name);
      return { made, used: valueAt(find(objects, "Deployment"), [...POD, "priorityClassName"]) };
    };
    expect(await classOf({})).toEqual({ made: ["dispatcher-dispatcher"], used: "dispatcher-dispatcher" });
    expect(await classOf({ name: "important" })).toEqual({ made: [], used: "important" });
    expect(await classOf({ create: false })).toEqual({ made: [], used: undefined });
  });

  test("serves no page unless it is asked for, and then to port-forwards alone", async () => {
    const pageOf = async (...values: Values[]) => {
      const objects = await chart.render([CONNECTED, ...values]);
      const { PAGE_AT, PAGE_ISSUER } = environmentOf(find(objects, "Deployment"));
      const services = objects.filter(({ kind }) => kind === "Service").length;
      return { PAGE_AT, PAGE_ISSUER, services, lets: valueAt(find(objects, "NetworkPolicy"), ["spec", "ingress"]) };
    };
    expect(await pageOf()).toEqual({ services: 0 });
    expect(await pageOf({ page: { enabled: true } })).toEqual({ PAGE_AT: "local", services: 0 });
  });

  test("serves its page to the proxy at which people log in, and lets nothing else in", async () => {
    const objects = await chart.render(["values.production.yaml", "values.page.yaml"]);
    const config = readConfig(environmentOf(find(objects, "Deployment")));
    expect(config.page?.login).toMatchObject({ origin: "https://dispatcher.acme.example" });
    expect([...(config.page?.login?.roles.values() ?? [])]).toEqual(["viewer", "operator", "admin"]);
    const service = find(objects, "Service");
    expect(service).toMatchObject({
      metadata: { name: "dispatcher-page" },
      spec: { ports: [{ port: 80, targetPort: "http" }], publishNotReadyAddresses: true },
    });
    expect(valueAt(service, ["spec", "selector"])).toEqual(
      valueAt(find(objects, "Deployment"), ["spec", "selector", "matchLabels"]),
    );
    const given: unknown = parse(await readFile(join(CHART, "values.page.yaml"), "utf8"));
    expect(valueAt(find(objects, "NetworkPolicy"), ["spec", "ingress"])).toEqual([
      { from: valueAt(given, ["page", "from"]), ports: [{ port: "http", protocol: "TCP" }] },
    ]);
  });

  test("is spread over nodes and zones, or as the values say, and the chart knows which pods are meant", async () => {
    const spreadOf = async (...more: Values[]) =>
      objectsAt(await one("Deployment", CONNECTED, ...more), ...POD, "topologySpreadConstraints");
    const labelSelector = {
      matchLabels: { "app.kubernetes.io/name": "dispatcher", "app.kubernetes.io/instance": "dispatcher" },
    };
    const softly = { maxSkew: 1, whenUnsatisfiable: "ScheduleAnyway", labelSelector };
    expect(await spreadOf()).toEqual([
      { ...softly, topologyKey: "kubernetes.io/hostname" },
      { ...softly, topologyKey: "topology.kubernetes.io/zone" },
    ]);
    const given = { maxSkew: 1, topologyKey: "rack", whenUnsatisfiable: "DoNotSchedule" };
    expect(await spreadOf({ topologySpreadConstraints: [given] })).toEqual([{ ...given, labelSelector }]);
    const none = await one("Deployment", CONNECTED, { topologySpreadConstraints: [] });
    expect(valueAt(none, [...POD, "topologySpreadConstraints"])).toBeUndefined();
  });

  test("prefers the system pool where infra/deploy.sh installs it, and tolerates that pool's taint", async () => {
    const [cluster] = ofType(readPrediction("prod"), "Microsoft.ContainerService/managedClusters");
    const pools = objectsAt(cluster?.properties, "agentPoolProfiles");
    const taints = z.array(z.string()).parse(pools.find(({ mode }) => mode === "System")?.["nodeTaints"]);
    const pod = objectAt(await one("Deployment", CONNECTED, "../infra/values.aks.yaml"), ...POD);
    expect(taints).toEqual(
      objectsAt(pod, "tolerations").map(
        ({ key, value, effect }) => `${String(key)}=${String(value)}:${String(effect)}`,
      ),
    );
    const [wish] = objectsAt(pod, "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution");
    expect(objectsAt(wish, "preference", "matchExpressions")).toEqual([
      { key: "kubernetes.azure.com/mode", operator: "In", values: ["system"] },
    ]);
  });

  test("carries the labels and annotations of the values beside its own", async () => {
    const pod = objectAt(
      await one("Deployment", CONNECTED, { podLabels: { team: "a" }, podAnnotations: { "acme/mesh": "off" } }),
      "spec",
      "template",
    );
    expect(pod).toMatchObject({
      metadata: {
        labels: { team: "a", "app.kubernetes.io/name": "dispatcher" },
        annotations: { "acme/mesh": "off", "checksum/modules": expect.any(String) },
      },
    });
  });

  test("has the variables of extraEnv behind its own", async () => {
    const extraEnv = [
      { name: "MINE", value: "1" },
      { name: "SECRET", valueFrom: { secretKeyRef: { name: "a", key: "b" } } },
    ];
    const envOf = async (...more: Values[]) =>
      objectsAt(await one("Deployment", CONNECTED, ...more), ...CONTAINER, "env");
    const own = await envOf();
    expect(own.length).toBeGreaterThan(5);
    expect(await envOf({ extraEnv })).toEqual([...own, ...extraEnv]);
  });

  test("is one host to Functions, whichever pod it is, under an id that the host allows", async () => {
    const ids = [];
    for (const instance of ["dispatcher", "a--b", "a".repeat(40), `${"a".repeat(39)}b`])
      ids.push(environmentOf(await one("Deployment", CONNECTED, { instance }))["AzureFunctionsWebHost__hostid"] ?? "");
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^(?=.{1,32}$)[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  test("signs in to Application Insights with the app's identity, and sends the triggers' lines only on demand", async () => {
    const [WHO, LEVEL] = [
      "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
      "AzureFunctionsJobHost__logging__ApplicationInsights__logLevel__Function",
    ] as const;
    const plain = environmentOf(await one("Deployment", "values.production.yaml"));
    expect(plain[WHO]).toBe("Authorization=AAD;ClientId=00000000-0000-0000-0000-000000000001");
    expect(plain).not.toHaveProperty(LEVEL);
    const full = { applicationInsights: { logLevel: "Information" } };
    expect(environmentOf(await one("Deployment", "values.production.yaml", full))).toHaveProperty(LEVEL, "Information");
    // Without an identity there is nobody to sign in as.
    const keyed = { applicationInsights: { connectionString: "InstrumentationKey=a" } };
    expect(environmentOf(await one("Deployment", CONNECTED, keyed))).not.toHaveProperty(WHO);
  });

  test("drains within its grace period, and one pod at a time", async () => {
    const deployment = await one("Deployment", CONNECTED);
    expect(environmentOf(deployment)).toMatchObject({ FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING: "true" });
    expect(valueAt(deployment, [...POD, "terminationGracePeriodSeconds"])).toBeGreaterThan(75);
    const budget = await one("PodDisruptionBudget", CONNECTED);
    expect(budget).toMatchObject({ spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow" } });
    const labels = valueAt(deployment, ["spec", "template", "metadata", "labels"]);
    for (const [object, ...path] of [
      [budget, "spec", "selector", "matchLabels"],
      [deployment, "spec", "selector", "matchLabels"],
      [await one("NetworkPolicy", CONNECTED), "spec", "podSelector", "matchLabels"],
    ] as const)
      expect(labels).toMatchObject(objectAt(object, ...path));
  });

  test.each([
    { name: "AMQP", network: {}, ports: ["5671/TCP"] },
    { name: "no AMQP, over WebSockets", network: { webSockets: true }, ports: [] },
    { name: "a proxy", network: { httpsProxy: "http://proxy.acme.example:3128" }, ports: ["3128/TCP"] },
    { name: "a proxy at its scheme's port", network: { httpsProxy: "http://10.0.0.4/" }, ports: ["80/TCP"] },
    { name: "a proxy with TLS", network: { httpsProxy: "https://proxy.acme.example" }, ports: ["443/TCP"] },
  ])(
    "lets no client in, and connections out only to DNS, HTTPS, the API server and $name",
    async ({ network, ports }) => {
      const policy = await one("NetworkPolicy", CONNECTED, { network });
      expect(policy).toMatchObject({ spec: { policyTypes: ["Ingress", "Egress"] } });
      expect(valueAt(policy, ["spec", "ingress"])).toBeUndefined();
      const allowed = objectsAt(policy, "spec", "egress").flatMap((rule) =>
        objectsAt(rule, "ports").map(({ port, protocol }) => `${String(port)}/${String(protocol)}`),
      );
      expect(allowed).toEqual(["53/UDP", "53/TCP", "443/TCP", "6443/TCP", ...ports]);
    },
  );

  test("reaches the bus by WebSockets if it is told to, or if there is a proxy, and itself without the proxy", async () => {
    const environment = async (network: object) => environmentOf(await one("Deployment", CONNECTED, { network }));
    const transport = "AzureFunctionsJobHost__extensions__serviceBus__transportType";
    expect(Object.keys(await environment({})).filter((name) => /PROXY|transportType/i.test(name))).toEqual([]);
    expect(await environment({ webSockets: true })).toMatchObject({ [transport]: "AmqpWebSockets" });
    const proxied = await environment({ httpsProxy: "http://proxy:3128", noProxy: [".acme.example", "b"] });
    expect(proxied).toMatchObject({
      [transport]: "AmqpWebSockets",
      HTTPS_PROXY: "http://proxy:3128",
      NO_PROXY: "127.0.0.1,localhost,.acme.example,b",
    });
    expect(readConfig(proxied).serviceBus.webSockets).toBe(true);
  });

  test("has KEDA ask by its identity, or by the Secret if there is no Entra ID", async () => {
    expect(await one("TriggerAuthentication", "values.production.yaml")).toMatchObject({
      spec: { podIdentity: { provider: "azure-workload", identityId: "00000000-0000-0000-0000-000000000002" } },
    });
    const byString = await one("TriggerAuthentication", CONNECTED);
    expect(valueAt(byString, ["spec"])).toEqual({
      secretTargetRef: [{ parameter: "connection", name: "connections", key: "service-bus" }],
    });
  });

  test.each([
    {
      name: "of another cloud",
      blobs: "https://acme.blob.core.chinacloudapi.cn",
      tables: "https://acme.table.core.chinacloudapi.cn",
    },
    { name: "of an own domain", blobs: "https://blobs.acme.example", tables: "https://rows.acme.example" },
  ])(
    "names the account and its services, because the Functions host may need both: $name",
    async ({ blobs, tables }) => {
      const storage = { accountName: "acme", blobServiceUri: blobs, tableServiceUri: tables };
      expect(environmentOf(await one("Deployment", "values.production.yaml", { storage }))).toMatchObject({
        AzureWebJobsStorage__accountName: "acme",
        AzureWebJobsStorage__blobServiceUri: blobs,
        AzureWebJobsStorage__tableServiceUri: tables,
      });
    },
  );

  test("finds the namespace of another cloud", async () => {
    const serviceBus = { fullyQualifiedNamespace: "acme.servicebus.usgovcloudapi.net" };
    expect(
      valueAt(await one("ScaledObject", "values.production.yaml", { serviceBus }), [
        "spec",
        "triggers",
        "0",
        "metadata",
      ]),
    ).toMatchObject({ namespace: "acme", cloud: "Private", endpointSuffix: "servicebus.usgovcloudapi.net" });
  });
});

async function moduleNames(values: Values): Promise<string[]> {
  const given: unknown = typeof values === "string" ? parse(await readFile(join(CHART, values), "utf8")) : values;
  const listed = valueAt(given, ["modules"]);
  return Array.isArray(listed) ? listed.map((module) => String(valueAt(module, ["name"]))) : [];
}

/** A container's variables. A variable that comes from a Secret gets a connection string that could be in it. */
function environmentOf(deployment: unknown): Record<string, string> {
  const secrets: Record<string, string> = {
    ServiceBus: "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k",
    AzureWebJobsStorage: "UseDevelopmentStorage=true",
  };
  return Object.fromEntries(
    objectsAt(deployment, ...CONTAINER, "env").map(({ name, value }) => [
      String(name),
      typeof value === "string" ? value : (secrets[String(name)] ?? ""),
    ]),
  );
}
