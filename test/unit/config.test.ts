import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { describe, expect, it } from "vitest";
import { readConfig, readConfigOver } from "../../shared/config.ts";
import { ConfigError } from "../../shared/errors.ts";

const BUS = "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey=c2VjcmV0LWJ1cw==";
const STORAGE =
  "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0LXN0b3JhZ2U=;EndpointSuffix=core.windows.net";
const ENV = { ServiceBus: BUS, AzureWebJobsStorage: STORAGE };

function refusal(env: Record<string, string | undefined>): string {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("settings", () => {
  it("of a command are those of the environment, and those of its file that the environment does not set", async () => {
    const directory = await mkdtemp(join(tmpdir(), "dispatcher-config-"));
    const file = join(directory, "local.settings.json");
    try {
      const proxy = { HTTPS_PROXY: "http://file" };
      const Values = { ...ENV, ...proxy, JOB_NAMESPACE: "file", MODULES_DIR: "file", DISPATCHER_INSTANCE: "file" };
      await writeFile(file, JSON.stringify({ Values }));
      const env = { JOB_NAMESPACE: "env", MODULES_DIR: " ", DISPATCHER_INSTANCE: undefined };
      const want = { jobNamespace: "env", modulesDir: "file", instance: "file" };
      const filled = { ...env };
      expect(await readConfigOver(file, filled)).toMatchObject(want);
      // The SDKs look for it there.
      expect(filled).toMatchObject(proxy);
      await expect(readConfigOver(join(directory, "none.json"), env)).rejects.toThrow(ConfigError);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("have defaults for all but the two connections", () => {
    expect(readConfig(ENV)).toEqual({
      serviceBus: { kind: "connectionString", value: BUS, webSockets: false },
      tables: { kind: "connectionString", value: STORAGE },
      blobs: { kind: "connectionString", value: STORAGE },
      instance: "dispatcher",
      tableName: "DispatcherRuns",
      jobNamespace: "default",
      bodyAccess: "inline",
      kubeconfig: undefined,
      modulesDir: "modules",
      reconcileSchedule: "*/10 * * * * *",
      lockDurationMs: 300_000,
      jobRetentionMs: 3_600_000,
      kedaVersion: undefined,
      historyRetentionMs: 2_592_000_000,
    });
  });

  it("are what the environment says", () => {
    const env = {
      ...ENV,
      DISPATCHER_INSTANCE: "blue-2",
      DISPATCHER_TABLE: "Runs2",
      JOB_NAMESPACE: "jobs",
      PAYLOADS: "identity",
      KUBECONFIG: "/k",
      MODULES_DIR: "/m",
      RECONCILE_SCHEDULE: "0 */5 8-18 * JAN,jul MON-FRI",
      LOCK_DURATION: "30s",
      JOB_RETENTION: "2m",
      HISTORY_RETENTION: "1d",
      KEDA_VERSION: "2.19.0",
    };
    expect(readConfig(env)).toMatchObject({
      instance: "blue-2",
      tableName: "Runs2",
      jobNamespace: "jobs",
      bodyAccess: "identity",
      kubeconfig: "/k",
      modulesDir: "/m",
      reconcileSchedule: "0 */5 8-18 * JAN,jul MON-FRI",
      lockDurationMs: 30_000,
      jobRetentionMs: 120_000,
      kedaVersion: "2.19.0",
      historyRetentionMs: 86_400_000,
    });
  });

  it("count as absent where they are blank, as a chart may leave them", () => {
    const env = { ...ENV, DISPATCHER_INSTANCE: " ", KUBECONFIG: "", ServiceBus__fullyQualifiedNamespace: "" };
    expect(readConfig(env)).toMatchObject({ instance: "dispatcher", kubeconfig: undefined });
  });
});

describe("the page", () => {
  const login = {
    PAGE_AT: "https://dispatcher.acme.example",
    PAGE_ISSUER: "https://login.example/tenant/v2.0",
    PAGE_AUDIENCE: "app",
    PAGE_GROUPS: "viewer=all, admin=ops,operator=ops,operator=a=b",
  };

  it("is off unless it is asked for, and for port-forwards alone unless a proxy is named", () => {
    expect(readConfig(ENV).page).toBeUndefined();
    expect(readConfig({ ...ENV, PAGE_AT: "local" }).page).toEqual({});
  });

  it("knows the roles of groups, and of several the highest", () => {
    expect(readConfig({ ...ENV, ...login }).page?.login).toEqual({
      origin: login.PAGE_AT,
      issuer: login.PAGE_ISSUER,
      audience: "app",
      roles: new Map([
        ["all", "viewer"],
        ["ops", "admin"],
        ["a=b", "operator"],
      ]),
    });
  });

  it.each([
    { given: { PAGE_AT: "http://dispatcher.acme.example" }, says: /^PAGE_AT: "http:.* not allowed; write local, or/ },
    { given: { PAGE_AT: "https://dispatcher.acme.example/" }, says: /^PAGE_AT: / },
    { given: { PAGE_AT: "yes" }, says: /^PAGE_AT: "yes" is not allowed/ },
    { given: { PAGE_AT: "local" }, says: /^PAGE_ISSUER and PAGE_AUDIENCE and PAGE_GROUPS: nobody logs in/ },
    { given: { PAGE_AT: "" }, says: /because PAGE_AT is empty/ },
    { given: { PAGE_ISSUER: "" }, says: /^PAGE_ISSUER is missing; write it, because people log in at https:/ },
    { given: { PAGE_AUDIENCE: "" }, says: /^PAGE_AUDIENCE is missing/ },
    { given: { PAGE_GROUPS: "" }, says: /^PAGE_GROUPS is missing/ },
    { given: { PAGE_ISSUER: "http://login.example" }, says: /^PAGE_ISSUER: "http:.* is not allowed/ },
    { given: { PAGE_ISSUER: "http://localhost.evil.example" }, says: /^PAGE_ISSUER: / },
    { given: { PAGE_GROUPS: "owner=x" }, says: /^PAGE_GROUPS: "owner=x" is not allowed; write ROLE=GROUP/ },
    { given: { PAGE_GROUPS: "viewer=a,b" }, says: /^PAGE_GROUPS: / },
  ])("refuses $given", ({ given, says }) => {
    expect(refusal({ ...ENV, ...login, ...given })).toMatch(says);
  });
});

describe("a connection by identity", () => {
  it("names the namespace and the account, and holds no secret", () => {
    const env = {
      ServiceBus__fullyQualifiedNamespace: "acme.servicebus.windows.net",
      AzureWebJobsStorage__accountName: "acme",
    };
    expect(readConfig(env)).toMatchObject({
      serviceBus: { kind: "identity", fullyQualifiedNamespace: "acme.servicebus.windows.net" },
      tables: { kind: "identity", endpoint: "https://acme.table.core.windows.net" },
      blobs: { kind: "identity", endpoint: "https://acme.blob.core.windows.net" },
    });
  });

  it("names the services themselves, for other clouds", () => {
    const env = {
      ServiceBus: BUS,
      AzureWebJobsStorage__blobServiceUri: "https://acme.blob.core.usgovcloudapi.net/",
      AzureWebJobsStorage__tableServiceUri: "https://acme.table.core.usgovcloudapi.net",
    };
    expect(readConfig(env)).toMatchObject({
      tables: { kind: "identity", endpoint: "https://acme.table.core.usgovcloudapi.net" },
      blobs: { kind: "identity", endpoint: "https://acme.blob.core.usgovcloudapi.net" },
    });
  });
});

describe("the account's name beside its service URIs", () => {
  const named = { ServiceBus: BUS, AzureWebJobsStorage__accountName: "acme" };
  it.each([
    {
      name: "in another cloud",
      blobs: "https://acme.blob.core.chinacloudapi.cn",
      tables: "https://acme.table.core.chinacloudapi.cn",
    },
    {
      name: "in a DNS zone",
      blobs: "https://acme.z12.blob.storage.azure.net",
      tables: "https://acme.z12.table.storage.azure.net",
    },
    { name: "under a domain of one's own", blobs: "https://blobs.acme.example", tables: "https://rows.acme.example" },
  ])("is allowed, and the URIs count: $name", ({ blobs, tables }) => {
    const env = {
      ...named,
      AzureWebJobsStorage__blobServiceUri: blobs,
      AzureWebJobsStorage__tableServiceUri: tables,
    };
    expect(readConfig(env)).toMatchObject({
      tables: { kind: "identity", endpoint: tables },
      blobs: { kind: "identity", endpoint: blobs },
    });
  });

  it.each([
    { name: "AzureWebJobsStorage__blobServiceUri", other: "https://globex.blob.core.windows.net" },
    { name: "AzureWebJobsStorage__tableServiceUri", other: "https://globex.table.core.usgovcloudapi.net/" },
  ])("is refused if $name names another account", ({ name, other }) => {
    const env = {
      ...named,
      AzureWebJobsStorage__blobServiceUri: "https://acme.blob.core.windows.net",
      AzureWebJobsStorage__tableServiceUri: "https://acme.table.core.windows.net",
      [name]: other,
    };
    expect(refusal(env)).toBe(
      `AzureWebJobsStorage__accountName is acme, but ${name} names the account globex; write the same account in both, because the rows might be in one account and the host's own state in the other`,
    );
  });
});

describe("the bus", () => {
  it.each(["", BUS])("may be named once more, as its host prefers it: %j", (again) => {
    expect(readConfig({ ...ENV, AzureWebJobsServiceBus: again }).serviceBus).toMatchObject({ value: BUS });
  });

  it.each([
    { value: undefined, webSockets: false },
    { value: "AmqpTcp", webSockets: false },
    { value: "AmqpWebSockets", webSockets: true },
    { value: "amqpwebsockets", webSockets: true },
  ])("is reached as the Functions host's own setting says: $value", ({ value, webSockets }) => {
    const env = { ...ENV, AzureFunctionsJobHost__extensions__serviceBus__transportType: value };
    expect(readConfig(env).serviceBus.webSockets).toBe(webSockets);
  });
});

describe("the storage emulator's short connection string", () => {
  it.each(["UseDevelopmentStorage=true", "usedevelopmentstorage=true;"])(
    "%s reaches Azurite by both clients",
    (value) => {
      const { tables, blobs } = readConfig({ ...ENV, AzureWebJobsStorage: value });
      if (tables.kind !== "connectionString" || blobs.kind !== "connectionString") throw new Error("not by string");
      expect(TableServiceClient.fromConnectionString(tables.value).url).toBe("http://127.0.0.1:10002/devstoreaccount1");
      expect(BlobServiceClient.fromConnectionString(blobs.value).url).toBe("http://127.0.0.1:10000/devstoreaccount1");
    },
  );
});

describe("a setting that is wrong stops the app, saying what is allowed", () => {
  it.each([
    {
      name: "DISPATCHER_INSTANCE",
      value: "Blue",
      want: 'DISPATCHER_INSTANCE: "Blue" is not allowed; write lower-case letters, digits and hyphens, at most 40',
    },
    { name: "DISPATCHER_INSTANCE", value: "a".repeat(41), want: "at most 40" },
    { name: "DISPATCHER_INSTANCE", value: "-a", want: '"-a" is not allowed' },
    {
      name: "DISPATCHER_TABLE",
      value: "my-runs",
      want: 'DISPATCHER_TABLE: "my-runs" is not allowed; write 3 to 63 letters and digits',
    },
    { name: "DISPATCHER_TABLE", value: "ab", want: '"ab" is not allowed' },
    { name: "DISPATCHER_TABLE", value: "1abc", want: '"1abc" is not allowed' },
    { name: "DISPATCHER_TABLE", value: "Tables", want: '"Tables" is not allowed' },
    {
      name: "JOB_NAMESPACE",
      value: "Jobs",
      want: 'JOB_NAMESPACE: "Jobs" is not allowed; write the name of a Kubernetes namespace',
    },
    { name: "PAYLOADS", value: "url", want: 'PAYLOADS: "url" is not allowed; write inline or identity' },
    {
      name: "RECONCILE_SCHEDULE",
      value: "*/10 * * * *",
      want: 'RECONCILE_SCHEDULE: "*/10 * * * *" is not allowed; write six NCRONTAB fields',
    },
    { name: "RECONCILE_SCHEDULE", value: "10s", want: '"10s" is not allowed' },
    {
      name: "LOCK_DURATION",
      value: "6m",
      want: 'LOCK_DURATION: "6m" is not allowed; write a duration such as 30s, 5m, 1h or 30d, from 5s to 5m',
    },
    { name: "LOCK_DURATION", value: "PT5M", want: '"PT5M" is not allowed' },
    { name: "JOB_RETENTION", value: "60", want: 'JOB_RETENTION: "60" is not allowed; write a duration' },
    { name: "JOB_RETENTION", value: "1m", want: "from 2m to 365d" },
    {
      name: "HISTORY_RETENTION",
      value: "1h",
      want: 'HISTORY_RETENTION: "1h" is not allowed; write a duration such as 30s, 5m, 1h or 30d, from 1d to 3650d',
    },
    {
      name: "ServiceBus",
      value: "acme.servicebus.windows.net",
      want: "ServiceBus: its value (a secret, not shown) is not allowed; write Endpoint=sb://",
    },
    {
      name: "ServiceBus",
      value: "Endpoint=https://acme/;SharedAccessKeyName=a;SharedAccessKey=b",
      want: "write Endpoint=sb://",
    },
    { name: "ServiceBus", value: "Endpoint=sb://acme/;SharedAccessKeyName=a", want: "write Endpoint=sb://" },
    { name: "ServiceBus", value: `${BUS};EntityPath=q`, want: "without EntityPath: modules name the entities" },
    {
      name: "AzureFunctionsJobHost__extensions__serviceBus__transportType",
      value: "WebSockets",
      want: '"WebSockets" is not allowed; write AmqpTcp or AmqpWebSockets',
    },
    {
      name: "HTTPS_PROXY",
      value: "proxy.acme.example:3128",
      want: "HTTPS_PROXY: its value (a secret, not shown) is not allowed; write the URL of a proxy, such as http://",
    },
    { name: "HTTPS_PROXY", value: "http:///", want: "write the URL of a proxy" },
    {
      name: "AzureWebJobsStorage",
      value: "acme",
      want: "AzureWebJobsStorage: its value (a secret, not shown) is not allowed; write UseDevelopmentStorage=true, or",
    },
    {
      name: "AzureWebJobsStorage",
      value: "BlobEndpoint=https://acme.blob.core.windows.net;SharedAccessSignature=sv=1",
      want: "with AccountName and AccountKey",
    },
    {
      name: "ServiceBus__fullyQualifiedNamespace",
      value: "acme.servicebus.windows.net",
      want: "ServiceBus and ServiceBus__fullyQualifiedNamespace are both set; remove one, because the triggers might listen to one namespace",
    },
    {
      name: "AzureWebJobsServiceBus",
      value: "Endpoint=sb://other.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b",
      want: "AzureWebJobsServiceBus is set, and says something else than ServiceBus; remove it, because the triggers might listen",
    },
    {
      name: "AzureWebJobsServiceBus__fullyQualifiedNamespace",
      value: "acme.servicebus.windows.net",
      want: "AzureWebJobsServiceBus__fullyQualifiedNamespace is set, and says something else than ServiceBus__fullyQualifiedNamespace",
    },
    {
      name: "AzureWebJobsStorage__accountName",
      value: "acme",
      want: "AzureWebJobsStorage and AzureWebJobsStorage__accountName are set together; keep one, because the rows might be in one account",
    },
    {
      name: "AzureWebJobsStorage__blobServiceUri",
      value: "https://a",
      want: "AzureWebJobsStorage and AzureWebJobsStorage__blobServiceUri / __tableServiceUri are set together",
    },
  ])("$name: $value", ({ name, value, want }) => {
    const message = refusal({ ...ENV, [name]: value });
    expect(message).toContain(want);
    expect(message.split("\n")).toHaveLength(1);
  });

  it.each([
    {
      name: "no bus",
      env: { AzureWebJobsStorage: STORAGE },
      want: "ServiceBus is missing; write a connection string, or the namespace's host name in ServiceBus__fullyQualifiedNamespace",
    },
    {
      name: "no storage",
      env: { ServiceBus: BUS },
      want: "AzureWebJobsStorage is missing; write a connection string, or the account's name",
    },
    {
      name: "a namespace with its scheme",
      env: { AzureWebJobsStorage: STORAGE, ServiceBus__fullyQualifiedNamespace: "sb://acme.servicebus.windows.net/" },
      want: 'ServiceBus__fullyQualifiedNamespace: "sb://acme.servicebus.windows.net/" is not allowed; write a host name',
    },
    {
      name: "a namespace's short name",
      env: { AzureWebJobsStorage: STORAGE, ServiceBus__fullyQualifiedNamespace: "acme" },
      want: '"acme" is not allowed; write a host name',
    },
    {
      name: "an account's name that isn't one",
      env: { ServiceBus: BUS, AzureWebJobsStorage__accountName: "Acme!" },
      want: 'AzureWebJobsStorage__accountName: "Acme!" is not allowed',
    },
    {
      name: "one service URI",
      env: { ServiceBus: BUS, AzureWebJobsStorage__blobServiceUri: "https://a.blob.x" },
      want: "AzureWebJobsStorage__tableServiceUri is missing; write it, because the two service URIs go together",
    },
    {
      name: "a service URI without TLS",
      env: {
        ServiceBus: BUS,
        AzureWebJobsStorage__blobServiceUri: "http://a",
        AzureWebJobsStorage__tableServiceUri: "https://b",
      },
      want: 'AzureWebJobsStorage__blobServiceUri: "http://a" is not allowed',
    },
  ])("$name", ({ env, want }) => {
    expect(refusal(env)).toContain(want);
  });

  it("names all that is wrong at once", () => {
    const lines = refusal({ DISPATCHER_INSTANCE: "A", LOCK_DURATION: "x", RECONCILE_SCHEDULE: "x" }).split("\n");
    expect(lines.map((line) => line.split(/[ :]/)[0])).toEqual([
      "ServiceBus",
      "AzureWebJobsStorage",
      "DISPATCHER_INSTANCE",
      "RECONCILE_SCHEDULE",
      "LOCK_DURATION",
    ]);
  });

  it("never shows a secret", () => {
    const env = {
      ServiceBus: "Endpoint=oops;SharedAccessKeyName=n;SharedAccessKey=TOPSECRET",
      AzureWebJobsStorage: "AccountNme=x;AccountKey=TOPSECRET",
      ServiceBus__fullyQualifiedNamespace: "acme.servicebus.windows.net",
      AzureWebJobsStorage__accountName: "acme",
    };
    expect(refusal(env)).not.toContain("TOPSECRET");
    expect(refusal({ ServiceBus: env.ServiceBus, AzureWebJobsStorage: env.AzureWebJobsStorage })).not.toContain(
      "TOPSECRET",
    );
  });
});
