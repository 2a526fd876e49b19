import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { liveEnvironment, readLiveSettings } from "../live/live-settings.ts";

const ALL = {
  AZURE_TENANT_ID: "tenant",
  AZURE_CLIENT_ID: "client",
  AZURE_CLIENT_SECRET: "secret=with=equals",
  AZURE_SUBSCRIPTION_ID: "sub",
  AZURE_RESOURCE_GROUP: "group",
  AZURE_SERVICEBUS_NAMESPACE: "acme",
};
let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "live-settings-"));
  file = join(directory, "private.env");
});
afterEach(() => rmSync(directory, { recursive: true }));

test("reads private.env, and the environment over it", () => {
  writeFileSync(
    file,
    `# of a colleague\n${Object.entries(ALL)
      .map(([name, value]) => `${name}="${value}"`)
      .join("\n")}\n`,
  );
  const env = liveEnvironment({ AZURE_SERVICEBUS_NAMESPACE: "mine.servicebus.usgovcloudapi.net" }, file);
  expect(readLiveSettings(env)).toMatchObject({
    kind: "azure",
    tenantId: "tenant",
    clientId: "client",
    clientSecret: "secret=with=equals",
    fullyQualifiedNamespace: "mine.servicebus.usgovcloudapi.net",
  });
});

test("completes the namespace's name, and knows the command that grants the role on it", () => {
  const settings = readLiveSettings(ALL);
  expect(settings).toMatchObject({ fullyQualifiedNamespace: "acme.servicebus.windows.net" });
  expect(settings.kind === "azure" && settings.grant).toMatch(
    /--assignee client --scope \/subscriptions\/sub\/resourceGroups\/group\/.*\/namespaces\/acme$/,
  );
  expect(JSON.stringify(settings.kind === "azure" && settings.grant)).not.toContain("secret");
});

test.each(Object.keys(ALL))("names %s where it is missing, and runs nothing", (name) => {
  const settings = readLiveSettings({ ...ALL, [name]: "" });
  expect(settings).toEqual({ kind: "none", why: expect.stringContaining(`set ${name} in`) });
});

test("takes the local broker only where it is told to", () => {
  expect(readLiveSettings({ ...ALL, TEST_SERVICEBUS: "local" })).toEqual({ kind: "local" });
  expect(readLiveSettings(liveEnvironment({}, file))).toMatchObject({ kind: "none" });
});
