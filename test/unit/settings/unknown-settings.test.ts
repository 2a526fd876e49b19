import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { z } from "zod";
import { SETTINGS } from "../../../shared/settings/settings.ts";
import { misspeltSettings, unknownSettings } from "../../../shared/settings/unknown-settings.ts";

const sample = z
  .looseObject({ Values: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync("local.settings.sample.json", "utf8")));

it.each([
  { name: "LOCKDURATION", says: "LOCKDURATION: no program reads this setting; did you mean LOCK_DURATION?" },
  { name: "lock_duration", says: "lock_duration: no program reads this setting; did you mean LOCK_DURATION?" },
  { name: "MODULE_DIR", says: "MODULE_DIR: no program reads this setting; did you mean MODULES_DIR?" },
  {
    name: "ServiceBus__fullyQualifedNamespace",
    says: "ServiceBus__fullyQualifedNamespace: no program reads this setting; did you mean ServiceBus__fullyQualifiedNamespace?",
  },
  { name: "LOGLEVEL", says: "LOGLEVEL: no program reads this setting; docs/settings.md lists all settings" },
])("says that no program reads $name of a file", ({ name, says }) => {
  expect(unknownSettings({ [name]: "x" })).toEqual([says]);
});

it("says nothing of the app's settings, and of those that the host and the SDKs read", () => {
  expect(unknownSettings(Object.fromEntries(SETTINGS.map(({ name }) => [name, ""])))).toEqual([]);
  expect(unknownSettings(sample.Values)).toEqual([]);
  const others = [
    "AzureFunctionsJobHost__logging__logLevel__default",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__queueServiceUri",
    "ServiceBus__clientId",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "FUNCTIONS_EXTENSION_VERSION",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
  ];
  expect(unknownSettings(Object.fromEntries(others.map((name) => [name, "x"])))).toEqual([]);
});

it("tells of an environment what is a slip away from a setting, and nothing else", () => {
  const env = {
    PATH: "/bin",
    HOME: "/h",
    LOCKDURATION: "5m",
    MODULE_DIR: "m",
    NO_COLOR: "1",
    EDITOR: "vi",
    PAGER: "less",
  };
  expect(misspeltSettings(env)).toEqual([
    "LOCKDURATION: no program reads this variable; did you mean LOCK_DURATION?",
    "MODULE_DIR: no program reads this variable; did you mean MODULES_DIR?",
  ]);
  expect(misspeltSettings({ http_proxy: "x", no_proxy: "y", https_proxy: "z" })).toEqual([]);
});
