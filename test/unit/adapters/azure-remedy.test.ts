import { describe, expect, it } from "vitest";
import {
  createSource,
  grantAccount,
  grantSending,
  grantSource,
  listEntities,
} from "../../../shared/adapters/azure/remedy.ts";

const BUS = "acme.servicebus.windows.net";
const ID =
  "$(az resource list --name acme --resource-type Microsoft.ServiceBus/namespaces --query '[].id' --output tsv)";
const GROUP = ID.replace("[].id", "[].resourceGroup");
const SETTINGS = "--lock-duration PT5M --max-delivery-count 2000 --enable-dead-lettering-on-message-expiration true";

describe("the command that grants a role", () => {
  it("names role, identity and the very queue", () => {
    expect(grantSource(BUS, { queue: "work/heavy" }, "1234")).toBe(
      `az role assignment create --role 'Azure Service Bus Data Receiver' --assignee 1234 --scope ${ID}/queues/work~heavy`,
    );
  });

  it("names the subscription, not its topic alone, and whoever is logged in where no identity is told", () => {
    expect(grantSource(BUS, { topic: "t", subscription: "s" }, undefined)).toBe(
      `az role assignment create --role 'Azure Service Bus Data Receiver' --assignee $(az ad signed-in-user show --query id --output tsv) --scope ${ID}/topics/t/subscriptions/s`,
    );
  });

  it("names the namespace for those who send, and whoever is logged in", () => {
    expect(grantSending(BUS)).toBe(
      `az role assignment create --role 'Azure Service Bus Data Sender' --assignee $(az ad signed-in-user show --query id --output tsv) --scope ${ID}`,
    );
  });

  it("names the storage account", () => {
    expect(grantAccount("acme.table.core.windows.net", "Storage Table Data Contributor", "1234")).toBe(
      "az role assignment create --role 'Storage Table Data Contributor' --assignee 1234 --scope $(az resource list --name acme --resource-type Microsoft.Storage/storageAccounts --query '[].id' --output tsv)",
    );
  });

  it("leaves the scope to be filled in where the host name tells no name", () => {
    expect(grantAccount("blobs.acme.com", "r", "1234")).toContain("--scope ID-OF-THE-ACCOUNT");
    expect(grantSource("bus.acme.com", { queue: "q" }, "1234")).toContain("--scope ID-OF-THE-NAMESPACE/queues/q");
  });
});

describe("the command that creates a source", () => {
  it("creates a queue with the settings that the Dispatcher relies on", () => {
    expect(createSource(BUS, { queue: "thumbnails" })).toBe(
      `az servicebus queue create --resource-group ${GROUP} --namespace-name acme --name thumbnails ${SETTINGS}`,
    );
  });

  it("creates a subscription, and its topic where that is missing too", () => {
    expect(createSource(BUS, { topic: "images", subscription: "thumbs" })).toBe(
      `az servicebus topic create --resource-group ${GROUP} --namespace-name acme --name images && az servicebus topic subscription create --resource-group ${GROUP} --namespace-name acme --topic-name images --name thumbs ${SETTINGS}`,
    );
  });

  it("is none for an emulator", () => {
    for (const host of ["localhost", "127.0.0.1", ""]) expect(createSource(host, { queue: "q" })).toBeUndefined();
  });
});

it("the command that lists what can be sent to names queues and topics, and is none for an emulator", () => {
  expect(listEntities(BUS)).toBe(
    ["queue", "topic"]
      .map(
        (kind) =>
          `az servicebus ${kind} list --resource-group ${GROUP} --namespace-name acme --query '[].name' --output tsv`,
      )
      .join(" && "),
  );
  expect(listEntities("127.0.0.1")).toBeUndefined();
});

it("holds no double quote, which a log of JSON would write otherwise", () => {
  const commands = [
    createSource(BUS, { topic: "t", subscription: "s" }),
    grantSource(BUS, { queue: "q" }, undefined),
    grantAccount("acme.blob.core.windows.net", "Storage Blob Data Owner", "1234"),
  ];
  for (const command of commands) expect(JSON.stringify(command)).toBe(`"${command}"`);
});
