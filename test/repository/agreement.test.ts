import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../shared/config.ts";
import { moduleJsonSchema } from "../../shared/module-files/module-schema.ts";
import { ownedFields } from "../../shared/module-files/owned-fields.ts";
import { isRecord, valueAt } from "../../shared/plain-data.ts";
import { SETTINGS, type Setting } from "../../shared/settings/settings.ts";

const settings: readonly Setting[] = SETTINGS;
const docs = readFileSync("docs/settings.md", "utf8");

/** The cells of the tables in a chapter of docs/settings.md, without the heads. */
function rows(heading: string): string[][] {
  const chapter = docs.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return chapter
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const plain = (cell: string | undefined) => (cell ?? "").replaceAll("`", "");

const names = (cell: string | undefined) => [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
const fieldsOf = (...path: string[]) => {
  const properties = valueAt(moduleJsonSchema(), [...path, "properties"]);
  return isRecord(properties) ? properties : {};
};

describe("settings in code and docs/settings.md", () => {
  it("are the same, in the same order, with the same defaults and words", () => {
    const written = rows("The app").map(([name, fallback, description]) => ({
      name: plain(name),
      default: plain(fallback),
      description,
    }));
    expect(written).toEqual(
      settings.map((setting) => ({
        name: setting.name,
        default: setting.default ?? "",
        description: setting.description,
      })),
    );
  });

  const others: Record<string, string> = {
    ServiceBus: "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k",
    AzureWebJobsStorage: "UseDevelopmentStorage=true",
    AzureWebJobsStorage__blobServiceUri: "https://a",
    AzureWebJobsStorage__tableServiceUri: "https://a",
    PAGE_AT: "https://page.example",
    PAGE_ISSUER: "https://issuer.example",
    PAGE_AUDIENCE: "app",
    PAGE_GROUPS: "viewer=g",
  };
  const login = ["PAGE_AT", "PAGE_ISSUER", "PAGE_AUDIENCE", "PAGE_GROUPS"];
  const companions: Record<string, string[]> = {
    ServiceBus: ["AzureWebJobsStorage"],
    ServiceBus__fullyQualifiedNamespace: ["AzureWebJobsStorage"],
    AzureWebJobsStorage: ["ServiceBus"],
    AzureWebJobsStorage__accountName: ["ServiceBus"],
    AzureWebJobsStorage__blobServiceUri: ["ServiceBus", "AzureWebJobsStorage__tableServiceUri"],
    AzureWebJobsStorage__tableServiceUri: ["ServiceBus", "AzureWebJobsStorage__blobServiceUri"],
    ...Object.fromEntries(login.map((name) => [name, ["ServiceBus", "AzureWebJobsStorage", ...login]])),
  };

  it.each(rows("The app").map((row) => ({ name: plain(row[0]), example: /^`([^`]+)`/.exec(row[3] ?? "")?.[1] })))(
    "have an example that is allowed: $name",
    ({ name, example }) => {
      const needed = companions[name] ?? ["ServiceBus", "AzureWebJobsStorage"];
      const env = Object.fromEntries(needed.map((other) => [other, others[other]]));
      expect(example).toBeDefined();
      expect(() => readConfig({ ...env, [name]: example })).not.toThrow();
    },
  );
});

describe("local.settings.sample.json", () => {
  const values = valueAt(JSON.parse(readFileSync("local.settings.sample.json", "utf8")), ["Values"]);
  const sample = Object.fromEntries(
    Object.entries(isRecord(values) ? values : {}).map(([name, value]) => [name, String(value)]),
  );

  it("holds the settings that have a default, with that default, the two connections, and the worker's language", () => {
    const { ServiceBus, AzureWebJobsStorage, FUNCTIONS_WORKER_RUNTIME, ...rest } = sample;
    // The file goes before what `npm start` chooses by itself, and these two it chooses better.
    const ofTheStack = ["RECONCILE_SCHEDULE", "LOCK_DURATION"];
    expect(rest).toEqual(
      Object.fromEntries(
        settings.flatMap((setting) =>
          setting.default === undefined || ofTheStack.includes(setting.name) ? [] : [[setting.name, setting.default]],
        ),
      ),
    );
    expect(ServiceBus).toContain("UseDevelopmentEmulator=true");
    expect(AzureWebJobsStorage).toBe("UseDevelopmentStorage=true");
    expect(FUNCTIONS_WORKER_RUNTIME).toBe("node");
  });

  it("is right as it stands, and says nothing but the defaults", () => {
    const { ServiceBus, AzureWebJobsStorage } = sample;
    expect(readConfig(sample)).toEqual(readConfig({ ServiceBus, AzureWebJobsStorage }));
  });
});

const documented = (heading: string) => rows(heading).flatMap(([cell]) => names(cell));

describe("module files in code and docs/settings.md", () => {
  it("have the same fields", () => {
    const top = Object.keys(fieldsOf()).filter((name) => name !== "$schema" && name !== "retry");
    const retry = Object.keys(fieldsOf("properties", "retry")).filter((name) => name !== "backoff");
    const backoff = Object.keys(fieldsOf("properties", "retry", "properties", "backoff"));
    const all = [...top, ...retry.map((name) => `retry.${name}`), ...backoff.map((name) => `retry.backoff.${name}`)];
    expect(documented("A module file").toSorted()).toEqual(all.toSorted());
    expect(documented("worker and handler").toSorted()).toEqual(
      Object.keys(fieldsOf("properties", "worker")).toSorted(),
    );
  });

  it("have the same defaults", () => {
    const written = rows("A module file").flatMap(([cell, defaults]) =>
      names(cell).map((name, index) => [name, names(defaults)[index]]),
    );
    const inCode = written.map(([name = ""]) => {
      const path = name.split(".").flatMap((step) => ["properties", step]);
      const value = valueAt(moduleJsonSchema(), [...path, "default"]);
      return [name, typeof value === "string" || typeof value === "number" ? String(value) : undefined];
    });
    expect(written).toEqual(inCode);
    expect(written).toContainEqual(["retry.backoff.max", "10m"]);
  });

  it("have the same fields that the Dispatcher owns", () => {
    const text = rows("jobTemplate")
      .map(([cell]) => cell)
      .join(" ");
    const all = ownedFields({
      metadata: { name: 1, generateName: 1, namespace: 1 },
      spec: {
        ...Object.fromEntries(
          [
            "backoffLimit",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
            "podFailurePolicy",
            "activeDeadlineSeconds",
            "ttlSecondsAfterFinished",
            "parallelism",
            "completions",
            "completionMode",
            "successPolicy",
            "podReplacementPolicy",
            "selector",
            "manualSelector",
            "managedBy",
          ].map((name) => [name, 1]),
        ),
        template: { spec: { restartPolicy: "Always", activeDeadlineSeconds: 1 } },
      },
    });
    expect(all).toHaveLength(19);
    for (const { path } of all) expect(text).toContain(String(path.at(-1)));
  });
});
