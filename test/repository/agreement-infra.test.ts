import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { ENTITY_SETTINGS, ROLES } from "../../shared/adapters/azure/remedy.ts";
import { parseDuration } from "../../shared/duration.ts";
import { parseModuleFile } from "../../shared/module-files/parse-module-file.ts";
import { valueAt } from "../../shared/plain-data.ts";
import { sourceKey } from "../../shared/run/source.ts";
import { SETTINGS, type Setting } from "../../shared/settings/settings.ts";
import { ofType, type PredictedResource, readPrediction } from "../support/predicted-resources.ts";

// These tests compare what the code expects with what infra/ makes. The predictions are those for the example values,
// and test/infra/bicep.test.ts compares them with the templates.
const both = ["dev", "prod"].map((environment) => ({ environment, prediction: readPrediction(environment) }));
const QUEUES = "Microsoft.ServiceBus/namespaces/queues";
const SUBSCRIPTIONS = "Microsoft.ServiceBus/namespaces/topics/subscriptions";

/** The entity's name without the namespace's. */
const entityOf = ({ name }: PredictedResource) => name.slice(name.indexOf("/") + 1);
const setting = (name: string): Setting | undefined => SETTINGS.find((one) => one.name === name);

describe.each(both)("what is deployed ($environment) and the code", ({ prediction }) => {
  it("have the same sources: those of the values' modules, as the module loader reads them", () => {
    const { modules } = parse(readFileSync("keda/values.production.yaml", "utf8"));
    const wanted = modules.map((module: unknown) => {
      const parsed = parseModuleFile("values.yaml", stringify(module));
      expect(parsed.errors).toEqual([]);
      return parsed.module === undefined ? undefined : sourceKey(parsed.module.source);
    });
    const made = [
      ...ofType(prediction, QUEUES).map((queue) => sourceKey({ queue: entityOf(queue) })),
      ...ofType(prediction, SUBSCRIPTIONS).map((one) => {
        const [topic = "", subscription = ""] = entityOf(one).split("/");
        return sourceKey({ topic, subscription });
      }),
    ];
    expect(made.toSorted()).toEqual([...new Set<string>(wanted)].toSorted());
  });

  it("have the same settings of an entity: of a template, of a command that creates one, and of LOCK_DURATION", () => {
    const entities = [...ofType(prediction, QUEUES), ...ofType(prediction, SUBSCRIPTIONS)];
    expect(entities.length).toBeGreaterThan(1);
    for (const { properties } of entities) {
      expect(properties).toMatchObject({ ...ENTITY_SETTINGS, requiresSession: false });
      expect(properties?.["enablePartitioning"] ?? false).toBe(false);
      for (const forever of ["defaultMessageTimeToLive", "autoDeleteOnIdle"])
        expect(properties?.[forever]).toMatch(/^P\d{8}D/);
    }
    expect(ENTITY_SETTINGS.lockDuration).toBe(`PT${setting("LOCK_DURATION")?.default?.toUpperCase()}`);
    expect(parseDuration(setting("LOCK_DURATION")?.default ?? "")).toBe(300_000);
  });

  it("have the same table, containers, locks and namespace of the Jobs as app and chart", () => {
    expect(prediction.outputs["settingsTable"]).toBe(setting("DISPATCHER_TABLE")?.default);
    expect(prediction.outputs["settingsLockDuration"]).toBe(setting("LOCK_DURATION")?.default);
    const chart: unknown = parse(readFileSync("keda/values.yaml", "utf8"));
    expect(valueAt(chart, ["jobNamespace"])).toBe(prediction.outputs["jobNamespace"]);
    const containers = ofType(prediction, "Microsoft.Storage/storageAccounts/blobServices/containers");
    const store = readFileSync("shared/adapters/blobs/payload-store.ts", "utf8");
    const inCode = [...store.matchAll(/\?\? "(dispatcher-[a-z]+)"/g)].map(([, name]) => name);
    expect(inCode).toHaveLength(2);
    expect(containers.map(({ name }) => name.split("/").at(-1))).toEqual(inCode);
  });

  it("give the app roles on what it calls, KEDA roles on what it counts, and no other identity any role", () => {
    const made = ofType(prediction, "Microsoft.Authorization/roleAssignments").map((assignment) => ({
      who: whoIs(valueAt(assignment, ["properties", "principalId"])),
      role: roleName(String(valueAt(assignment, ["properties", "roleDefinitionId"]))),
      on: kindOf(assignment.id ?? ""),
    }));
    const sources = [QUEUES, SUBSCRIPTIONS].flatMap((type) =>
      ofType(prediction, type).map(() => type.split("/").at(-1) ?? ""),
    );
    const each = (who: string, role: string, ...on: string[]) => on.map((kind) => ({ who, role, on: kind }));
    const wanted = [
      ...each("app", ROLES.bus, ...sources),
      ...each("app", ROLES.table, "storageAccounts"),
      ...each("app", ROLES.blobs, "storageAccounts"),
      ...each("app", "Monitoring Metrics Publisher", "components"),
      ...each("keda", "Azure Service Bus Data Owner", ...sources),
      ...each("kubelet", "AcrPull", "registries"),
    ];
    const inOrder = (all: readonly object[]) => all.map((one) => JSON.stringify(one)).toSorted();
    expect(inOrder(made)).toEqual(inOrder(wanted));
  });
});

it("docs/settings.md names the roles that the code asks for, and no others", () => {
  const docs = readFileSync("docs/settings.md", "utf8").replaceAll(/\s+/g, " ");
  const [, listed = ""] = /It needs the roles (.*?)\. /.exec(docs) ?? [];
  expect(listed.split(/, | and /)).toEqual(Object.values(ROLES));
});

/** The identity that a principal belongs to, by the resource that it is read from. */
function whoIs(principal: unknown): string {
  const text = String(principal);
  if (text.includes("kubeletidentity")) return "kubelet";
  return /userAssignedIdentities\/id-dispatcher-[a-z]+-([a-z]+)'/.exec(text)?.[1] ?? text;
}

/** The kind of resource that an assignment's id names. */
function kindOf(id: string): string {
  const [, scope = ""] =
    /^(?:\[extensionResourceId\(')?([^']*?)(?:\/providers\/Microsoft\.Authorization|')/.exec(id) ?? [];
  return scope.split("/").at(-2) ?? id;
}

function roleName(definition: string): string {
  const types = readFileSync("infra/types.bicep", "utf8");
  const id = definition.split("/").at(-1) ?? "";
  const [, quoted, plain] = new RegExp(`(?:'([^']+)'|(\\w+)): '${id}'`).exec(types) ?? [];
  return quoted ?? plain ?? definition;
}

it("the services' ids of the roles are told apart", () => {
  const ids = [...readFileSync("infra/types.bicep", "utf8").matchAll(/: '([0-9a-f]{8}-[0-9a-f-]{27})'/g)].map(
    ([, id]) => id,
  );
  expect(ids).toHaveLength(13);
  expect(new Set(ids).size).toBe(13);
});
