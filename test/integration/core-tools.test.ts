import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isRecord } from "../../shared/plain-data.ts";

/** The keys that Microsoft documents for host.json, as far as an app of this kind may use them. */
const HOST_JSON_KEYS = [
  "version",
  "functionTimeout",
  "singleton.listenerLockPeriod",
  "singleton.listenerLockRecoveryPollingInterval",
  "logging.logLevel.default",
  "logging.ApplicationInsights.logLevel.default",
  "logging.ApplicationInsights.logLevel.Function.reconcile.User",
  "logging.ApplicationInsights.samplingSettings.isEnabled",
  "logging.ApplicationInsights.enableDependencyTracking",
  "extensions.serviceBus.autoCompleteMessages",
  "extensions.serviceBus.prefetchCount",
  "extensions.serviceBus.maxConcurrentCalls",
  "extensions.serviceBus.maxAutoLockRenewalDuration",
  "extensionBundle.id",
  "extensionBundle.version",
];

describe("what Core Tools need to start the app", () => {
  it("has a main that the build makes", () => {
    expect(existsSync(String(readJson("package.json")["main"]))).toBe(true);
  });

  it("has the extension bundle, without which no Service Bus trigger loads", () => {
    expect(readJson("host.json")["extensionBundle"]).toEqual({
      id: "Microsoft.Azure.Functions.ExtensionBundle",
      version: "[4.*, 5.0.0)",
    });
  });

  it("has only documented keys in host.json", () => {
    expect(leaves(readJson("host.json")).filter((key) => !HOST_JSON_KEYS.includes(key))).toEqual([]);
  });

  it("has the worker's runtime in the sample settings", () => {
    expect(readJson("local.settings.sample.json")).toMatchObject({ Values: { FUNCTIONS_WORKER_RUNTIME: "node" } });
  });

  it("never lets the host settle, or fetch what it does not renew", () => {
    expect(readJson("host.json")).toMatchObject({
      extensions: { serviceBus: { autoCompleteMessages: false, prefetchCount: 0 } },
    });
  });
});

function readJson(file: string): Record<string, unknown> {
  const value: unknown = JSON.parse(readFileSync(file, "utf8"));
  return isRecord(value) ? value : {};
}

function leaves(value: Record<string, unknown>, path = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    isRecord(inner) ? leaves(inner, `${path}${key}.`) : [`${path}${key}`],
  );
}
