import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Stack } from "../../local/stack/start-stack.ts";
import { sourcePartition, workRow } from "../../shared/adapters/tables/keys.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { readConfig } from "../../shared/config.ts";
import { type RunKey, runId } from "../../shared/run/run.ts";
import { aRun } from "../support/a-run.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { runProgram } from "../support/run-program.ts";

// The audit as a person sees it by the command, against bus, storage and cluster of this machine. No app runs, so that
// nothing is mended but by the command.

const SOURCE = { queue: "thumbnails" };
const OTHER = { queue: "others" };
const container = { name: "main", image: "busybox:1.36", command: ["true"] };
const work = { jobTemplate: { spec: { template: { spec: { containers: [container] } } } } };

let directory: string;
let stack: Stack;
let client: ServiceBusClient;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "audit-command-"));
  for (const [name, source] of Object.entries({ thumbnail: SOURCE, other: OTHER }))
    await writeFile(join(directory, `${name}.json`), JSON.stringify({ name, source, ...work }));
  stack = await startLocalStack(directory);
  client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
}, 60_000);
afterAll(async () => {
  await client?.close();
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function audit(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const running = runProgram("cli", { args: ["audit", ...args], env: { ...stack.settings, ...env }, cwd: directory });
  const code = await running.ended;
  return { code, ...running.said };
}

function openTable() {
  const { tables: connection, tableName, instance } = readConfig(stack.settings);
  if (connection.kind !== "connectionString") throw new Error("The stack has no connection string.");
  const table = makeAzureTable({ connection, tableName, instance, clock: systemClock });
  const raw = TableClient.fromConnectionString(connection.value, tableName, { allowInsecureConnection: true });
  return { table, raw, partition: sourcePartition(instance, SOURCE) };
}

/** Defers a message as this instance does, and resolves to the identity of its run. */
async function defer(): Promise<RunKey> {
  await client.createSender("thumbnails").sendMessages({ messageId: "m-1", body: Buffer.from("x") });
  const receiver = client.createReceiver("thumbnails");
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
  if (!message) throw new Error("a message should have come");
  const owner = await openTable().table.owner();
  await receiver.deferMessage(message, { "dispatcher-owner": owner, "dispatcher-attempt": 1 });
  await receiver.close();
  const { sequenceNumber, enqueuedTimeUtc } = message;
  return {
    source: SOURCE,
    sequenceNumber: sequenceNumber?.toNumber() ?? 0,
    enqueuedAt: enqueuedTimeUtc?.getTime() ?? 0,
  };
}

describe("dispatcher audit", () => {
  test("names a message without a row and a row without its run, mends both, and finds nothing then", {
    timeout: 120_000,
  }, async () => {
    const { table, raw, partition } = openTable();
    await table.registerSource(SOURCE);
    const [rowless, broken] = [await defer(), await defer()];
    await table.insert(aRun({ ...broken, acceptedAt: broken.enqueuedAt }));
    await raw.deleteEntity(partition, workRow(broken));

    const look = await audit();
    expect(look.code).toBe(1);
    expect(look.stdout.split("\n").toSorted()).toEqual(
      [
        "",
        "found 2 things: looked at 0 open runs, 0 Jobs, 2 messages, 0 dead letters, 2 rows",
        `${runId(rowless)}: a deferred message (id "m-1") that this instance deferred, without a row: dispatcher audit --repair`,
        `${runId(broken)}: a row says that the run is open, and the run itself is nowhere: somebody deleted its row: dispatcher audit --repair`,
      ].toSorted(),
    );
    const json: unknown = JSON.parse((await audit(["-o", "json"])).stdout);
    expect(json).toMatchObject({
      findings: [
        { kind: "message without a row", subject: runId(rowless), isSafe: true, command: "dispatcher audit --repair" },
        { kind: "lock without a run", runId: runId(broken) },
      ],
      tooYoung: [],
      unfinished: [],
    });

    const dry = await audit(["--repair", "--dry-run"]);
    expect(dry).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^would: thumbnails:1:\d+: its row is made anew/),
    });
    const mended = await audit(["--repair", "--why", "a row was lost"]);
    expect(mended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^done: thumbnails:1:.*\ndone: thumbnails:2:/),
    });
    expect((await table.find(rowless)).kind).toBe("open");
    expect((await table.find(broken)).kind).toBe("open");
    expect((await table.actions(SOURCE, 10)).map(({ action: { what, why } }) => [what, why])).toEqual([
      ["mend", "a row was lost"],
      ["mend", "a row was lost"],
    ]);
    expect(await audit()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^nothing needs to be repaired: /) });
  });

  test("names the file to put back that was moved away, and no loss to accept", { timeout: 60_000 }, async () => {
    const { table } = openTable();
    await table.registerSource(SOURCE);
    await table.insert(aRun({ source: SOURCE, sequenceNumber: 99, enqueuedAt: Date.now(), acceptedAt: Date.now() }));
    await table.holdSource(SOURCE, { because: "entity missing", since: 0, confirmedAt: 0, missing: [] }, undefined);
    await rename(join(directory, "thumbnail.json"), join(directory, "thumbnail.away"));
    const { code, stdout } = await audit();
    await rename(join(directory, "thumbnail.away"), join(directory, "thumbnail.json"));
    const [held] = await table.heldSources();
    await table.releaseSource(SOURCE, held?.etag ?? "");
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^thumbnails: held since .*: put the file of module thumbnail back, and everything goes on\n/,
    );
    expect(stdout).not.toContain("accept-loss");
  });

  test("says how far it came if the table is away", async () => {
    const away =
      "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=Yg==;TableEndpoint=http://127.0.0.1:1/a;BlobEndpoint=http://127.0.0.1:1/a";
    const { code, stdout, stderr } = await audit([], { AzureWebJobsStorage: away });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: the look at the open runs was cut off after 0 open runs: The table .* can't be used/,
    );
    expect(stdout).toMatch(/^found nothing so far: looked at 0 open runs, /);
  });

  test("refuses --why and --dry-run without --repair", async () => {
    expect(await audit(["--dry-run"])).toMatchObject({ code: 2, stderr: expect.stringContaining("go with --repair") });
  });
});
