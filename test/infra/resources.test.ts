import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { makeHostLog } from "../../host/host-log.ts";
import { valueAt } from "../../shared/plain-data.ts";
import { aModule } from "../support/a-module.ts";
import { ofType, type Prediction, readPrediction } from "../support/predicted-resources.ts";
import { makeWorld, RETRY, SOURCE, withRun } from "../support/world.ts";

const nodePool = z.looseObject({ name: z.string(), minCount: z.number(), vmSize: z.string() });
const nodePools = (prediction: Prediction) => {
  const [cluster] = ofType(prediction, "Microsoft.ContainerService/managedClusters");
  return z.array(nodePool).parse(cluster?.properties?.["agentPoolProfiles"]);
};

// bicep.test.ts compares the predictions with the templates, so what these tests say of them holds for what is deployed.
const both = ["dev", "prod"].map((environment) => ({ environment, prediction: readPrediction(environment) }));

describe.each(both)("the resources of $environment", ({ prediction }) => {
  const only = (type: string) => {
    const [resource, ...others] = ofType(prediction, type);
    expect(others).toEqual([]);
    return resource;
  };

  it("are all foreseen, none left to the deployment", () => {
    expect(prediction.diagnostics).toEqual([]);
    expect(prediction.predictedResources.length).toBeGreaterThan(30);
  });

  it("take nobody in by a key or a password", () => {
    expect(only("Microsoft.ServiceBus/namespaces")).toMatchObject({ properties: { disableLocalAuth: true } });
    expect(only("Microsoft.Storage/storageAccounts")).toMatchObject({
      properties: { allowSharedKeyAccess: false, allowBlobPublicAccess: false },
    });
    expect(only("Microsoft.ContainerRegistry/registries")).toMatchObject({
      properties: { adminUserEnabled: false, anonymousPullEnabled: false },
    });
    expect(only("Microsoft.ContainerService/managedClusters")).toMatchObject({
      properties: { disableLocalAccounts: true, aadProfile: { managed: true, enableAzureRBAC: true } },
    });
  });

  it("take telemetry from the app's identity alone", () => {
    expect(only("Microsoft.Insights/components")).toMatchObject({ properties: { DisableLocalAuth: true } });
  });

  it("speak TLS 1.2 at least", () => {
    expect(only("Microsoft.ServiceBus/namespaces")).toMatchObject({ properties: { minimumTlsVersion: "1.2" } });
    expect(only("Microsoft.Storage/storageAccounts")).toMatchObject({
      properties: { minimumTlsVersion: "TLS1_2", supportsHttpsTrafficOnly: true },
    });
  });

  it("have KEDA, and give pods identities", () => {
    expect(only("Microsoft.ContainerService/managedClusters")).toMatchObject({
      properties: {
        oidcIssuerProfile: { enabled: true },
        securityProfile: { workloadIdentity: { enabled: true } },
        workloadAutoScalerProfile: { keda: { enabled: true } },
      },
    });
    const subjects = ofType(
      prediction,
      "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    );
    expect(subjects.map(({ properties }) => properties?.["subject"])).toEqual([
      "system:serviceaccount:dispatcher:dispatcher",
      "system:serviceaccount:kube-system:keda-operator",
      "system:serviceaccount:jobs:dispatcher-job",
    ]);
  });

  it("let the autoscaler alone decide how many nodes there are, within limits that AKS accepts", () => {
    const pools = nodePools(prediction);
    expect(pools.map(({ name }) => name)).toEqual(["system", "work"]);
    for (const pool of pools) {
      expect(pool).toMatchObject({
        enableAutoScaling: true,
        minCount: expect.any(Number),
        maxCount: expect.any(Number),
      });
      expect(pool).not.toHaveProperty("count");
    }
    const [system] = pools;
    expect(system?.minCount).toBeGreaterThanOrEqual(2);
    expect(Number(/^Standard_D(\d+)/.exec(String(system?.vmSize))?.[1])).toBeGreaterThanOrEqual(4);
  });

  it("name each role's assignment after its principal, so that a new identity never meets the assignment of an old one", () => {
    const assignments = ofType(prediction, "Microsoft.Authorization/roleAssignments");
    expect(assignments.length).toBeGreaterThan(5);
    for (const { name, properties } of assignments)
      expect(name).toContain(String(properties?.["principalId"]).replace(/^\[(.*)\]$/, "$1"));
  });

  it("upgrade their nodes in three batches or four, and stop if a node does not drain", () => {
    const upgradeSettings = { maxSurge: "33%", drainTimeoutInMinutes: 30, nodeSoakDurationInMinutes: 0 };
    for (const pool of nodePools(prediction)) expect(pool).toMatchObject({ upgradeSettings });
  });

  it("never clear away the body of an open run", () => {
    const rules = valueAt(only("Microsoft.Storage/storageAccounts/managementPolicies"), [
      "properties",
      "policy",
      "rules",
    ]);
    expect(rules).toHaveLength(1);
    expect(rules).toMatchObject([{ definition: { filters: { prefixMatch: ["dispatcher-logs/"] } } }]);
  });

  it("have names that Azure allows", () => {
    expect(only("Microsoft.ServiceBus/namespaces")?.name).toMatch(/^[a-z][a-z0-9-]{4,48}[a-z0-9]$/);
    expect(only("Microsoft.Storage/storageAccounts")?.name).toMatch(/^[a-z0-9]{3,24}$/);
    expect(only("Microsoft.ContainerRegistry/registries")?.name).toMatch(/^[a-zA-Z0-9]{5,50}$/);
    expect(only("Microsoft.ContainerService/managedClusters")?.name).toMatch(/^[a-z][a-z0-9-]{0,62}$/);
  });
});

describe("production", () => {
  const prediction = readPrediction("prod");

  it("locks what holds messages and runs against deletion, and nothing else is locked", () => {
    const locks = ofType(prediction, "Microsoft.Authorization/locks");
    expect(locks.map(({ properties }) => properties?.["level"])).toEqual(["CanNotDelete", "CanNotDelete"]);
    expect(ofType(readPrediction("dev"), "Microsoft.Authorization/locks")).toEqual([]);
  });

  it("stands in three zones", () => {
    for (const pool of nodePools(prediction))
      expect(pool).toMatchObject({ availabilityZones: ["1", "2", "3"], minCount: 3 });
  });
});

describe.each(both)("what is seen of $environment", ({ prediction }) => {
  it("is sent to one workspace by cluster, bus, storage and registry, and stops at a size a day", () => {
    const settings = ofType(prediction, "Microsoft.Insights/diagnosticSettings");
    const ofWhat = settings.map(({ id }) =>
      /providers\/[^/]+\/(.*?)\/[^/]+(?:\/(\w+)\/default)?\/providers/.exec(id ?? ""),
    );
    expect(ofWhat.map((found) => found?.[2] ?? found?.[1])).toEqual([
      "managedClusters",
      "namespaces",
      "blobServices",
      "tableServices",
      "registries",
    ]);
    const [workspace] = ofType(prediction, "Microsoft.OperationalInsights/workspaces");
    for (const one of settings) expect(one.properties?.["workspaceId"]).toBe(workspace?.id);
    expect(valueAt(workspace, ["properties", "workspaceCapping", "dailyQuotaGb"])).toBe(10);
  });

  it("grows with no message, as logs of each request would", () => {
    const categories = ofType(prediction, "Microsoft.Insights/diagnosticSettings").flatMap(({ properties }) =>
      z.array(z.object({ category: z.string() })).parse(properties?.["logs"]),
    );
    expect(categories.map(({ category }) => category)).toEqual([
      "cluster-autoscaler",
      "guard",
      "OperationalLogs",
      "ContainerRegistryLoginEvents",
      "ContainerRegistryRepositoryEvents",
    ]);
  });

  it("of the Dispatcher's namespace is collected by the cluster's agent, and of no other", () => {
    const [cluster] = ofType(prediction, "Microsoft.ContainerService/managedClusters");
    const [workspace] = ofType(prediction, "Microsoft.OperationalInsights/workspaces");
    expect(valueAt(cluster, ["properties", "addonProfiles", "omsagent"])).toEqual({
      enabled: true,
      config: { logAnalyticsWorkspaceResourceID: workspace?.id, useAADAuth: "true" },
    });
    const [rule] = ofType(prediction, "Microsoft.Insights/dataCollectionRules");
    const [source] = z.array(z.unknown()).parse(valueAt(rule, ["properties", "dataSources", "extensions"]));
    expect(valueAt(source, ["extensionSettings", "dataCollectionSettings"])).toMatchObject({
      namespaceFilteringMode: "Include",
      namespaces: ["dispatcher"],
      enableContainerLogV2: true,
    });
    expect(valueAt(rule, ["properties", "dataFlows", "1", "transformKql"])).toContain('PodNamespace == "dispatcher"');
    const [association] = ofType(prediction, "Microsoft.Insights/dataCollectionRuleAssociations");
    // The agent looks for this name.
    expect(association).toMatchObject({
      name: "ContainerInsightsExtension",
      properties: { dataCollectionRuleId: rule?.id },
    });
    expect(association?.id).toContain(cluster?.id);
  });
});

describe("the lines of the standalone host", () => {
  const [rule] = ofType(readPrediction("prod"), "Microsoft.Insights/dataCollectionRules");
  const transformation = String(valueAt(rule, ["properties", "dataFlows", "1", "transformKql"]));
  const [, dropped = ""] = /extract\("(.*?)", 1/.exec(transformation) ?? [];
  const drops = new RegExp(dropped.replaceAll("\\\\", "\\"));
  const said: string[] = [];
  const log = makeHostLog((line) => said.push(line.trimEnd()));

  it("reach the workspace if a tick wrote them, or if they warn, and no others", () => {
    log.of("accept-work-heavy")("information", "user", '{"message":"accepted a message"}');
    log.of("accept-work-heavy")("warning", "user", '{"message":"handled a delivery","deadLettered":1}');
    log.of("reconcile")("information", "user", '{"message":"closed a run","why":"x information accept-y"}');
    log.system("error", "stopping failed");
    expect(said.map((line) => drops.test(line))).toEqual([true, false, false, false]);
  });

  it("are found by the alerts behind time, level and name", () => {
    const [alert] = ofType(readPrediction("prod"), "Microsoft.Insights/scheduledQueryRules");
    const query = String(valueAt(alert, ["properties", "criteria", "allOf", "0", "query"]));
    const [, json = ""] = /extract\("(.*?)", 0, tostring\(LogMessage\)\)/.exec(query) ?? [];
    const [found = ""] = new RegExp(json).exec(said[1] ?? "") ?? [];
    expect(JSON.parse(found)).toEqual({ message: "handled a delivery", deadLettered: 1 });
  });
});

describe("the alerts on the bus", () => {
  const rules = ofType(readPrediction("prod"), "Microsoft.Insights/metricAlerts").map((rule) => ({
    name: rule.name.replace("dispatcher-prod-", ""),
    condition: valueAt(rule, ["properties", "criteria", "allOf", "0"]),
  }));

  it("tell of a size, dead letters, throttling and errors, by the names that Azure has for them", () => {
    expect(rules.map(({ name, condition }) => [name, valueAt(condition, ["metricName"])])).toEqual([
      ["bus-size", "Size"],
      ["bus-dead-letters", "DeadletteredMessages"],
      ["bus-throttled", "ThrottledRequests"],
      ["bus-errors", "ServerErrors"],
    ]);
  });

  it("tell of a size before the queue is full", () => {
    const [queue] = ofType(readPrediction("prod"), "Microsoft.ServiceBus/namespaces/queues");
    const bytes = Number(queue?.properties?.["maxSizeInMegabytes"]) * 1024 * 1024;
    expect(Number(valueAt(rules[0]?.condition, ["threshold"])) / bytes).toBeCloseTo(0.8);
  });
});

describe("the alerts", () => {
  /** Those that also read the lines of deliveries. Each has a test of its own below. */
  const OF_TRIGGERS_TOO = new Set(["dead-letters", "held"]);
  /** Those that read no line of the app. */
  const OF_NO_LINE = new Set(["pod-restarts", "scaling", "no-deliveries"]);
  const rules = ofType(readPrediction("dev"), "Microsoft.Insights/scheduledQueryRules").map((rule) => ({
    name: rule.name.replace("dispatcher-dev-", ""),
    query: String(valueAt(rule, ["properties", "criteria", "allOf", "0", "query"])),
    condition: valueAt(rule, ["properties", "criteria", "allOf", "0"]),
  }));
  const ofLines = rules.filter(({ name }) => !OF_NO_LINE.has(name));
  const SAME_INSTANCE = 'where line.instance == "dispatcher"\n';

  it("tell of all that a person has to do something about", () => {
    expect(rules.map(({ name }) => name)).toEqual([
      "dead-letters",
      "oldest-open-run",
      "reconcile-silent",
      "orphans",
      "undelivered",
      "lost",
      "not-started",
      "overdue",
      "held",
      "held-messages",
      "module-stopped",
      "failing",
      "postponed",
      "pod-restarts",
      "scaling",
      "no-deliveries",
    ]);
  });

  it("read the lines of both images, and of this instance alone", () => {
    for (const { query } of ofLines) {
      const [before, ...after] = query.split(SAME_INSTANCE);
      expect(before).toMatch(/union isfuzzy=true\s+\(AppTraces .*\),\s+\(ContainerLogV2 .*\)\n/);
      expect(after).toHaveLength(1);
    }
  });

  it("ask for the lines, and the fields, that a tick writes", async () => {
    const world = makeWorld();
    await world.tick();
    world.cluster.failNext("listJobs");
    await world.tick();
    const written = world.lines.filter(({ message }) => /reconcile/.test(String(message)));
    expect(written.map(({ message }) => message)).toEqual(["reconciled", "reconcile is held up"]);
    for (const { name, query } of ofLines.filter((rule) => !OF_TRIGGERS_TOO.has(rule.name))) {
      const own = query.split(SAME_INSTANCE)[1]?.replaceAll(/line\.waiting\["[a-z-]+"\]/g, "line.waiting") ?? "";
      const messages = [...own.matchAll(/"([^"]+)"/g)].map(([, text]) => String(text));
      expect({ name, unknown: messages.filter((text) => !written.some(({ message }) => message === text)) }).toEqual({
        name,
        unknown: [],
      });
      expect(messages).toContain("reconciled");
      const fields = [...own.matchAll(/line\.(\w+)/g)].map(([, field]) => String(field));
      for (const line of written) expect(Object.keys(line)).toEqual(expect.arrayContaining(fields));
    }
  });

  it("count as stopped what waits for a module, by the words that a tick has for it", () => {
    const [rule] = rules.filter(({ name }) => name === "module-stopped");
    const causes = [...(rule?.query ?? "").matchAll(/line\.waiting(?:\.(\w+)|\["([^"]+)"\])/g)];
    // `decide` has these words, and docs/operate.md explains them.
    expect(causes.map(([, plain, quoted]) => plain ?? quoted)).toEqual([
      "module-tripped",
      "unsettled",
      "module-removed",
    ]);
    const page = readFileSync("docs/operate.md", "utf8");
    for (const [, plain, quoted] of causes) expect(page).toContain(`| \`${plain ?? quoted}\` |`);
  });

  it("count dead letters wherever they were made: by a tick, or by the trigger of a malformed message", async () => {
    const [rule] = rules.filter(({ name }) => name === "dead-letters");
    const [has, field] = [/Message has "(\w+)"/, /sum\(toint\(line\.(\w+)\)\)/].map(
      (part) => part.exec(rule?.query ?? "")?.[1],
    );
    expect(has).toBe(field);
    const world = makeWorld([aModule({ when: { subject: "mine" }, retry: { ...RETRY, maxAttempts: 1 } })]);
    await world.send({ subject: "theirs" });
    await world.send({ subject: "mine" });
    world.cluster.fail(world.jobName());
    await world.tick();
    const counted = world.lines.filter((line) => Number(line[field ?? ""]) > 0);
    expect(counted).toMatchObject([
      { message: "handled a delivery", outcome: "rejected", deadLettered: 1 },
      { message: "reconciled", deadLettered: 1 },
    ]);
  });

  it("tell of a hold, whether a tick or a trigger noticed it", async () => {
    const [rule] = rules.filter(({ name }) => name === "held");
    const [has, field] = [/Message has "(\w+)"/, /max\(toint\(line\.(\w+)\)\)/].map(
      (part) => part.exec(rule?.query ?? "")?.[1],
    );
    expect(has).toBe(field);
    const world = await withRun();
    world.cluster.uid = "another";
    const replica = world.makeReplica();
    await replica.accept(world.broker.deliver(SOURCE, {}));
    await replica.tick();
    const counted = world.lines.filter((line) => Number(line[field ?? ""]) > 0);
    expect(counted).toMatchObject([
      { message: "handled a delivery", held: 1 },
      { message: "reconciled", held: 1 },
    ]);
  });

  it("measure a tick's own numbers, and call silence what is less than one", () => {
    for (const { name, query, condition } of rules) {
      expect(query).toMatch(/summarize value = /);
      expect(condition).toMatchObject({ metricMeasureColumn: "value", timeAggregation: "Maximum" });
      expect(condition).toMatchObject(
        name === "reconcile-silent" ? { operator: "LessThan", threshold: 1 } : { operator: "GreaterThan" },
      );
    }
  });
});
