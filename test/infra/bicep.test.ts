import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bicep, snapshot } from "../support/bicep.ts";
import { ofType, readPrediction } from "../support/predicted-resources.ts";
import { ROOT } from "../support/run-program.ts";

const INFRA = join(ROOT, "infra");
const PARAMETER_FILES = ["dev.bicepparam", "prod.bicepparam"];
// A second or two when nothing else runs.
const PATIENCE_MS = 180_000;

let copy: string;
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "dispatcher-infra-"));
  await cp(INFRA, copy, { recursive: true });
});
afterAll(() => rm(copy, { recursive: true, force: true }));

const bicepFiles = async () =>
  (await readdir(INFRA, { recursive: true })).filter((file) => /\.bicep(param)?$/.test(file)).toSorted();

describe("the Bicep files", { timeout: PATIENCE_MS }, () => {
  it("compile and lint without a warning", async (test) => {
    expect(await bicep(test, ["lint", "--pattern", "**/*.bicep*"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("are written as the formatter writes them", async (test) => {
    const files = await bicepFiles();
    expect(files).toContain("main.bicep");
    const read = () => Promise.all(files.map((file) => readFile(join(copy, file), "utf8")));
    const before = await read();
    expect(await bicep(test, ["format", "--pattern", "**/*.bicep*"], { cwd: copy })).toMatchObject({ code: 0 });
    const after = await read();
    expect(files.filter((_, index) => before[index] !== after[index])).toEqual([]);
  });

  it.for(PARAMETER_FILES)("come to the resources that are checked in beside %s", async (file, test) => {
    const { code, stdout, stderr } = await snapshot(test, file, "validate");
    expect(stdout + stderr).toBe("");
    expect(code).toBe(0);
  });

  it("describe each parameter as required or optional, and take no object of unknown shape", async () => {
    for (const file of await bicepFiles()) {
      const text = await readFile(join(INFRA, file), "utf8");
      if (file.endsWith("bicepparam")) continue;
      const parameters = text.split(/^param /m).slice(1);
      for (const [index, parameter] of parameters.entries()) {
        const [name, type] = parameter.split(/\s/);
        const before = text.split(/^param /m)[index] ?? "";
        const description = before.slice(before.lastIndexOf("@description("));
        const isRequired = !/^\w+ [^\n]*? = /.test(parameter);
        expect(`${file} ${name} ${description}`).toMatch(
          isRequired ? /^\S+ \S+ @description\('Required\. / : /^\S+ \S+ @description\('Optional\. /,
        );
        expect(`${file} ${name} ${type}`).not.toMatch(/ (object|array)$/);
      }
    }
  });
});

describe("the chart's values", { timeout: PATIENCE_MS }, () => {
  it("let the Jobs' identity read the bodies, and nothing else, if PAYLOADS is identity", async (test) => {
    const values = { modules: [{ name: "a", source: { queue: "a" } }], settings: { payloads: "identity" } };
    await writeFile(join(copy, "some.values.yaml"), JSON.stringify(values));
    const env = { DISPATCHER_VALUES: "some.values.yaml" };
    const { code, stdout } = await snapshot(test, "prod.bicepparam", "overwrite", { cwd: copy, env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    const assignments = ofType(readPrediction("prod", copy), "Microsoft.Authorization/roleAssignments");
    const ofJobs = assignments.filter(({ properties }) => String(properties?.["principalId"]).includes("-job'"));
    expect(ofJobs).toHaveLength(1);
    // The role Storage Blob Data Reader.
    expect(ofJobs[0]?.properties?.["roleDefinitionId"]).toMatch(/\/2a2b9908-6ea1-4ae2-8e65-a410df84e7d1$/);
    expect(ofJobs[0]?.id).toContain("containers/dispatcher-payloads");
  });

  it("decide entities, table, namespace of the Jobs, and whether silence is told", async (test) => {
    const values = {
      modules: [
        { name: "a", source: { queue: "Work/Heavy" } },
        { name: "b", source: { queue: "work/heavy" }, when: { subject: "x" } },
        { name: "c", source: { topic: "T", subscription: "one" } },
        { name: "d", source: { topic: "t", subscription: "two" } },
      ],
      jobNamespace: "runs",
      settings: { table: "ImageRuns" },
      scaling: { scaleToZero: true, kedaVersion: "2.19.0" },
    };
    await writeFile(join(copy, "some.values.yaml"), JSON.stringify(values));
    const env = { DISPATCHER_VALUES: "some.values.yaml" };
    const { code, stdout } = await snapshot(test, "dev.bicepparam", "overwrite", { cwd: copy, env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    const prediction = readPrediction("dev", copy);
    const namesOf = (type: string) => ofType(prediction, type).map(({ name }) => name.slice(name.indexOf("/") + 1));
    // A slash is a tilde in resource ids. Two spellings are one entity.
    expect(namesOf("Microsoft.ServiceBus/namespaces/queues")).toEqual(["work~heavy"]);
    expect(namesOf("Microsoft.ServiceBus/namespaces/topics")).toEqual(["t"]);
    expect(namesOf("Microsoft.ServiceBus/namespaces/topics/subscriptions")).toEqual(["t/one", "t/two"]);
    expect(namesOf("Microsoft.Storage/storageAccounts/tableServices/tables")).toEqual(["default/ImageRuns"]);
    expect(prediction.outputs).toMatchObject({ settingsTable: "ImageRuns", jobNamespace: "runs" });
    expect(JSON.stringify(prediction)).toContain("system:serviceaccount:runs:dispatcher-job");
    const enabled = ofType(prediction, "Microsoft.Insights/scheduledQueryRules").map(({ name, properties }) => ({
      name,
      enabled: properties?.["enabled"],
    }));
    expect(enabled.filter((rule) => rule.enabled === false)).toEqual([
      { name: "dispatcher-dev-reconcile-silent", enabled: false },
    ]);
  });
});

describe("queues and topics", { timeout: PATIENCE_MS }, () => {
  it.for([
    { name: "the most that Standard allows", line: "param serviceBusSku = 'Standard'", megabytes: 5_120 },
    { name: "the most that Premium allows", line: "param serviceBusSku = 'Premium'", megabytes: 81_920 },
    { name: "what the parameter says", line: "param entityMaxSizeInMegabytes = 2048", megabytes: 2_048 },
  ])("are as large as $name", async ({ line, megabytes }, test) => {
    await writeFile(
      join(copy, "some.values.yaml"),
      JSON.stringify({ modules: [{ source: { queue: "a" } }, { source: { topic: "b", subscription: "c" } }] }),
    );
    const parameters = await readFile(join(copy, "dev.bicepparam"), "utf8");
    await writeFile(join(copy, "tier.bicepparam"), `${parameters}\n${line}\n`);
    const env = { DISPATCHER_VALUES: "some.values.yaml" };
    const { code, stdout } = await snapshot(test, "tier.bicepparam", "overwrite", { cwd: copy, env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    const prediction = readPrediction("tier", copy);
    const entities = ["queues", "topics"].flatMap((kind) =>
      ofType(prediction, `Microsoft.ServiceBus/namespaces/${kind}`),
    );
    expect(entities.map(({ properties }) => properties?.["maxSizeInMegabytes"])).toEqual([megabytes, megabytes]);
  });
});

describe("people", { timeout: PATIENCE_MS }, () => {
  it.for([
    { payloads: "inline", viewersSeeJobs: false },
    { payloads: "identity", viewersSeeJobs: true },
  ])(
    "get exactly the roles of the lists that they are in, each once, with PAYLOADS=$payloads",
    async ({ payloads, viewersSeeJobs }, test) => {
      const parameters = (await readFile(join(copy, "dev.bicepparam"), "utf8")).replaceAll(
        /^param \w+PrincipalIds.*$/gm,
        "",
      );
      const lists = ["viewer = ['ann', 'bob']", "operator = ['bob']", "sender = ['bob', 'cas']"];
      const lines = lists.map((line) => `param ${line.replace(" ", "PrincipalIds ")}`);
      await writeFile(join(copy, "people.bicepparam"), [parameters, ...lines, ""].join("\n"));
      await writeFile(join(copy, "some.values.yaml"), JSON.stringify({ modules: [], settings: { payloads } }));
      const env = { DISPATCHER_VALUES: "some.values.yaml" };
      const { code, stdout } = await snapshot(test, "people.bicepparam", "overwrite", { cwd: copy, env });
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      const types = await readFile(join(INFRA, "types.bicep"), "utf8");
      const roleOf = (id: string) => new RegExp(`'?([\\w ]+?)'?: '${id.split("/").at(-1)}'`).exec(types)?.[1]?.trim();
      const assigned = ofType(readPrediction("people", copy), "Microsoft.Authorization/roleAssignments");
      const made = assigned.flatMap(({ id = "", properties }) => {
        const who = String(properties?.["principalId"]);
        const [, scope] = /\/([^/]+)\/[^/]+\/providers\/Microsoft\.Authorization/.exec(id) ?? [];
        return who.length === 3 ? [`${who}: ${roleOf(String(properties?.["roleDefinitionId"]))} on ${scope}`] : [];
      });
      const looks = (who: string) => [
        `${who}: Reader on namespaces`,
        `${who}: Storage Blob Data Reader on containers`,
        `${who}: Azure Kubernetes Service Cluster User Role on managedClusters`,
        `${who}: Log Analytics Reader on workspaces`,
      ];
      const SEES_JOBS = "Azure Kubernetes Service RBAC Reader on managedClusters";
      expect(made.toSorted()).toEqual(
        [
          ...looks("ann"),
          "ann: Storage Table Data Reader on storageAccounts",
          ...(viewersSeeJobs ? [`ann: ${SEES_JOBS}`] : []),
          ...looks("bob"),
          "bob: Storage Table Data Reader on storageAccounts",
          `bob: ${SEES_JOBS}`,
          "bob: Storage Table Data Contributor on storageAccounts",
          "bob: Storage Blob Data Reader on containers",
          "bob: Azure Service Bus Data Receiver on namespaces",
          "bob: Azure Service Bus Data Sender on namespaces",
          "cas: Azure Service Bus Data Sender on namespaces",
        ].toSorted(),
      );
      expect(new Set(assigned.map(({ id }) => id)).size).toBe(assigned.length);
    },
  );
});

describe("a values file that is wrong", { timeout: PATIENCE_MS }, () => {
  it.for([
    { name: "a module without a source", modules: "[{ name: a }]", says: "modules[0]" },
    { name: "a source with a field too many", modules: "[{ source: { queue: a, sesion: b } }]", says: "'sesion'" },
    { name: "a topic without its subscription", modules: "[{ source: { topic: a } }]", says: '[{"topic":"a"}]' },
    {
      name: "a queue and a topic at once",
      modules: "[{ source: { queue: a, topic: b, subscription: c } }]",
      says: '"queue":"a"',
    },
    { name: "a queue without a name", modules: '[{ source: { queue: "" } }]', says: "modules[0].source.queue" },
    { name: "modules that are no list", modules: "7", says: "modules" },
  ])("is refused before anything is deployed: $name", async ({ modules, says }, test) => {
    await writeFile(join(copy, "wrong.values.yaml"), `modules: ${modules}\n`);
    const env = { DISPATCHER_VALUES: "wrong.values.yaml" };
    const { code, stdout, stderr } = await snapshot(test, "dev.bicepparam", "overwrite", { cwd: copy, env });
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain(says);
  });
});
