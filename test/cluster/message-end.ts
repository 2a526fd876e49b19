import { ServiceBusClient } from "@azure/service-bus";
import { BlobServiceClient } from "@azure/storage-blob";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import type { FoundRun } from "../../shared/ports/run-table.ts";
import type { ClosedRun, RunKey } from "../../shared/run/run.ts";

/** A dead letter, as people and programs read it. */
export interface Letter {
  readonly reason: string;
  readonly description: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** How a message ended, according to the bus, the row and the logs. */
export interface MessageEnd {
  readonly run: ClosedRun;
  /** Undefined if the message was completed, and is gone from the bus. */
  readonly letter: Letter | undefined;
  /** The containers' logs in Blob storage, by `<attempt>/<container>`. */
  readonly logs: Readonly<Record<string, string>>;
}

/** Looks at bus and storage from outside, as a person does. */
export interface Outside {
  send(queue: string, message: { messageId: string; body: unknown }): Promise<void>;
  find(key: RunKey): Promise<FoundRun>;
  /** Throws if the run isn't closed, or the message is neither gone nor dead-lettered, or both. */
  end(key: RunKey): Promise<MessageEnd>;
  /** How many dead letters a queue has. */
  letters(queue: string): Promise<number>;
  close(): Promise<void>;
}

const MOST_MESSAGES = 250;
const LOGS = "dispatcher-logs";

/** Makes an `Outside` from the settings of an app. */
export function lookFromOutside(settings: Readonly<Record<string, string>>): Outside {
  const bus = new ServiceBusClient(settings["ServiceBus"] ?? "");
  const storage = settings["AzureWebJobsStorage"] ?? "";
  const logs = BlobServiceClient.fromConnectionString(storage).getContainerClient(LOGS);
  const table = makeAzureTable({
    connection: { kind: "connectionString", value: storage },
    tableName: settings["DISPATCHER_TABLE"] ?? "DispatcherRuns",
    instance: settings["DISPATCHER_INSTANCE"] ?? "",
    clock: systemClock,
  });
  const peek = async (queue: string, options: { subQueueType?: "deadLetter" } = {}) => {
    const receiver = bus.createReceiver(queue, options);
    try {
      return await receiver.peekMessages(MOST_MESSAGES);
    } finally {
      await receiver.close();
    }
  };

  async function logsOf({ source, sequenceNumber, enqueuedAt }: RunKey): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const folder = `/${"queue" in source ? source.queue : ""}/${String(sequenceNumber).padStart(20, "0")}-${enqueuedAt}/`;
    if (!(await logs.exists())) return found;
    for await (const { name } of logs.listBlobsFlat()) {
      const [, attempt = "", container = ""] = /\/attempt-(\d+)\/(.+)\.log$/.exec(name) ?? [];
      if (name.includes(folder))
        found[`${attempt}/${container}`] = (await logs.getBlobClient(name).downloadToBuffer()).toString();
    }
    return found;
  }

  return {
    async send(queue, message) {
      const sender = bus.createSender(queue);
      await sender.sendMessages(message);
      await sender.close();
    },
    find: (key) => table.find(key),
    async end(key) {
      const found = await table.find(key);
      if (found.kind !== "closed") throw new Error(`the run is ${found.kind}`);
      const queue = "queue" in key.source ? key.source.queue : "";
      const isIt = ({ messageId }: { messageId?: unknown }) => messageId === found.run.messageId;
      const remains = (await peek(queue)).some(isIt);
      const [dead, ...more] = (await peek(queue, { subQueueType: "deadLetter" })).filter(isIt);
      if (remains || more.length > 0) throw new Error(`the bus still holds ${found.run.messageId}, or twice`);
      const letter = dead && {
        reason: dead.deadLetterReason ?? "",
        description: dead.deadLetterErrorDescription ?? "",
        properties: dead.applicationProperties ?? {},
      };
      return { run: found.run, letter, logs: await logsOf(key) };
    },
    letters: async (queue) => (await peek(queue, { subQueueType: "deadLetter" })).length,
    close: () => bus.close(),
  };
}
