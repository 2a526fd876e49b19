import { afterAll, beforeAll, expect, test } from "vitest";
import { programsOf } from "../../real-cluster/programs.ts";
import { type Chart, openChart, type Values } from "./chart.ts";
import { CONNECTED, SLEEPY } from "./chart-values.ts";

// These values would fail later, or silently. helm refuses them before it installs anything, and says which field is
// wrong and what to write.

let chart: Chart;
beforeAll(async () => {
  chart = await openChart(await programsOf(["helm"]));
}, 900_000);
afterAll(() => chart?.close());

const aModule = { name: "a", source: { queue: "a" }, worker: { image: "a:1" } };
const withModules = (...modules: object[]) => ({ modules });
const NO_BUS = { ...CONNECTED, serviceBus: {} };
const NO_STORAGE = { ...CONNECTED, storage: {} };

const PAGE = {
  enabled: true,
  origin: "https://dispatcher.acme.example",
  issuer: "https://login.acme.example",
  audience: "app",
  groups: { admin: ["g"] },
  from: [{ podSelector: { matchLabels: { app: "proxy" } } }],
};
const withPage = (over: object) => ({ page: { ...PAGE, ...over } });

interface Refusal {
  readonly name: string;
  /** Values that are laid over the least that works. */
  readonly over?: Values;
  /** Values that replace it. */
  readonly instead?: Values;
  readonly says: RegExp;
}

const REFUSALS: readonly Refusal[] = [
  // The schema refuses these.
  { name: "a number that is too small", over: { scaling: { minReplicas: 0 } }, says: /'\/scaling\/minReplicas'.*0/ },
  { name: "a field that there is not", over: { scaling: { max: 3 } }, says: /'\/scaling'.*'max'/ },
  { name: "an instance that can't be in a label", over: { instance: "Has Capitals" }, says: /'\/instance'/ },
  {
    name: "a duration without a unit",
    over: { settings: { lockDuration: "300" } },
    says: /'\/settings\/lockDuration'/,
  },
  {
    name: "a proxy without its scheme",
    over: { network: { httpsProxy: "proxy:3128" } },
    says: /'\/network\/httpsProxy'/,
  },
  { name: "an account's name in capitals", over: { storage: { accountName: "A1" } }, says: /'\/storage\/accountName'/ },
  {
    name: "a module's name that makes a bad object name",
    over: withModules({ ...aModule, name: "A_b" }),
    says: /'\/modules\/0\/name'/,
  },
  {
    name: "a module's field that there is not",
    over: withModules({ ...aModule, maxRuningTime: "1m" }),
    says: /'\/modules\/0'.*'maxRuningTime'/,
  },
  // The templates refuse these.
  { name: "no values at all", instead: {}, says: /image\.repository is empty/ },
  { name: "no way to the bus", instead: NO_BUS, says: /serviceBus names no Service Bus namespace/ },
  {
    name: "two ways to the bus",
    over: { serviceBus: { fullyQualifiedNamespace: "a.servicebus.windows.net" } },
    says: /serviceBus\.fullyQualifiedNamespace and serviceBus\.connectionStringSecret\.name are both set/,
  },
  { name: "no way to storage", instead: NO_STORAGE, says: /storage names no storage account/ },
  {
    name: "two ways to storage",
    over: { storage: { accountName: "acme" } },
    says: /storage has accountName or the service URIs, and also connectionStringSecret\.name.* Keep one of them/,
  },
  {
    name: "service URIs of another account",
    instead: {
      ...CONNECTED,
      storage: {
        accountName: "acme",
        blobServiceUri: "https://acme.blob.core.windows.net",
        tableServiceUri: "https://globex.table.core.windows.net",
      },
    },
    says: /storage\.accountName is acme, but https:\/\/globex\.table\.core\.windows\.net is of another account/,
  },
  {
    name: "one of the two addresses of storage",
    instead: { ...CONNECTED, storage: { blobServiceUri: "https://a" } },
    says: /storage has only one of blobServiceUri and tableServiceUri/,
  },
  {
    name: "a bus that wants an identity, and none",
    instead: { ...CONNECTED, serviceBus: { fullyQualifiedNamespace: "a.servicebus.windows.net" } },
    says: /workloadIdentity\.clientId is empty/,
  },
  { name: "no module", over: withModules(), says: /modules is empty/ },
  {
    name: "to scale to zero with a KEDA of unknown version",
    over: { scaling: { scaleToZero: true } },
    says: /scaling\.kedaVersion is empty\. Write the version of the cluster's KEDA/,
  },
  ...["2.16.1", "2.17", "2.18.3-2"].map((kedaVersion) => ({
    name: `to scale to zero with KEDA ${kedaVersion}`,
    over: { scaling: { scaleToZero: true, kedaVersion } },
    says: /KEDA 2\.1[678]\S* \(scaling\.kedaVersion\) may let the app sleep .*Upgrade KEDA to 2\.19 or later/,
  })),
  {
    name: "a version of KEDA that is a number, because 2.20 would be 2.2",
    over: { scaling: { kedaVersion: 2.2 } },
    says: /'\/scaling\/kedaVersion'.*number.*string/,
  },
  {
    name: "more replicas at least than at most",
    over: { scaling: { minReplicas: 5 } },
    says: /scaling\.minReplicas is 5, more than scaling\.maxReplicas, which is 3\. Write a larger scaling\.maxReplicas/,
  },
  {
    name: "half a time to wake",
    over: { scaling: { wakeUp: { end: "" } } },
    says: /scaling\.wakeUp has only one of start and end/,
  },
  {
    name: "no time to be awake",
    over: { scaling: { wakeUp: { start: "5 * * * *" } } },
    says: /scaling\.wakeUp\.start and scaling\.wakeUp\.end are the same/,
  },
  {
    name: "a page that every pod of the cluster could read",
    over: { page: { enabled: true }, networkPolicy: { enabled: false } },
    says: /page\.enabled is true, but networkPolicy\.enabled is false.*Set networkPolicy\.enabled to true/,
  },
  { name: "a page with a login at no address", over: withPage({ origin: "" }), says: /page\.origin is empty/ },
  { name: "a page whose logins nobody issues", over: withPage({ issuer: "" }), says: /page\.issuer or page\.audience/ },
  {
    name: "a page whose logins are for nothing",
    over: withPage({ audience: "" }),
    says: /page\.issuer or page\.audience/,
  },
  { name: "a page for nobody", over: withPage({ groups: { admin: [] } }), says: /page\.groups names no group/ },
  { name: "a page that no proxy reaches", over: withPage({ from: [] }), says: /page\.from names no pods/ },
  { name: "a page without TLS", over: withPage({ origin: "http://a.example" }), says: /'\/page\/origin'/ },
  {
    name: "a group that would be two",
    over: withPage({ groups: { admin: ["a,b"] } }),
    says: /'\/page\/groups\/admin\/0'/,
  },
  ...["JOB_NAMESPACE", "NODE_OPTIONS", "AzureWebJobsStorage"].map((name) => ({
    name: `a variable that the chart sets itself, ${name}`,
    over: {
      extraEnv: [
        { name: "MINE", value: "1" },
        { name, value: "2" },
      ],
    },
    says: new RegExp(`extraEnv sets ${name}, a variable that the chart sets itself.* Remove it`),
  })),
  {
    name: "a pod's label that the chart sets itself",
    over: { podLabels: { "app.kubernetes.io/name": "mine" } },
    says: /podLabels sets app\.kubernetes\.io\/name, a label that the chart sets itself.*Remove it/,
  },
  {
    name: "a pod's annotation that the chart sets itself",
    over: { podAnnotations: { "checksum/modules": "0" } },
    says: /podAnnotations sets checksum\/modules/,
  },
  {
    name: "two modules with one name",
    over: withModules(aModule, { ...aModule, source: { queue: "b" } }),
    says: /modules\[1\] \(a\): name is also the name of modules\[0\]/,
  },
  {
    name: "a topic without its subscription",
    over: withModules({ ...aModule, source: { topic: "t" } }),
    says: /'\/modules\/0\/source': missing property 'subscription'/,
  },
  {
    name: "a queue and a topic",
    over: withModules({ ...aModule, source: { queue: "q", topic: "t", subscription: "s" } }),
    says: /'\/modules\/0\/source': additional properties .*'topic'.* not allowed/,
  },
  {
    name: "a path to a schema, at which no file can be",
    over: withModules({ ...aModule, schema: "a.schema.json" }),
    says: /modules\[0\] \(a\): schema is a path, a\.schema\.json,/,
  },
  {
    name: "more modules than a ConfigMap holds",
    over: withModules({ ...aModule, worker: { image: "a:1", args: ["x".repeat(1_000_001)] } }),
    says: /modules has 1\d{6} bytes, more than a ConfigMap holds/,
  },
];

/** The schema refuses these too, but so does a helm that was told to skip the schema. */
const UNCHECKED: readonly Refusal[] = [
  {
    name: "a module's name that makes a bad object name",
    over: withModules({ ...aModule, name: "A_b" }),
    says: /modules\[0\] \(A_b\): name cannot be .* Write at most 63 lower-case letters, digits and hyphens/,
  },
  { name: "a module without a name", over: withModules({ source: { queue: "a" } }), says: /modules\[0\] \(no name\)/ },
  {
    name: "a topic without its subscription",
    over: withModules({ ...aModule, source: { topic: "t" } }),
    says: /modules\[0\] \(a\): source has a topic, t, but no subscription/,
  },
  {
    name: "a queue and a topic",
    over: withModules({ ...aModule, source: { queue: "q", topic: "t", subscription: "s" } }),
    says: /modules\[0\] \(a\): source has to be .* Write \{ queue: NAME \}/,
  },
];

test("KEDA is new enough from 2.19 on, whatever AKS appends to its version", async () => {
  for (const kedaVersion of ["2.19", "2.19.0", "2.19.0-6", "2.21.1", "3.0.0"])
    await expect(chart.render([CONNECTED, { scaling: { scaleToZero: true, kedaVersion } }])).resolves.toBeTruthy();
});

test("the fewest replicas may be more than the most if the app scales to zero, because they do not count then", async () => {
  await expect(chart.render([CONNECTED, ...SLEEPY, { scaling: { minReplicas: 5 } }])).resolves.toBeTruthy();
});

test("a variable that the chart could set may be given, if the chart does not set it", async () => {
  const extraEnv = [{ name: "HTTPS_PROXY", valueFrom: { secretKeyRef: { name: "proxy", key: "url" } } }];
  await expect(chart.render([CONNECTED, { network: { webSockets: true }, extraEnv }])).resolves.toBeTruthy();
});

test("the least that works is refused nothing", async () => {
  expect((await chart.render([CONNECTED])).length).toBeGreaterThan(10);
});

test.each(REFUSALS)("helm refuses $name", async ({ over, instead, says }) => {
  await expect(chart.render(instead === undefined ? [CONNECTED, over ?? {}] : [instead])).rejects.toThrow(says);
});

test.each(UNCHECKED)("helm refuses $name, without the schema too", async ({ over = {}, says }) => {
  await expect(chart.render([CONNECTED, over], "dispatcher", "--skip-schema-validation")).rejects.toThrow(says);
});
