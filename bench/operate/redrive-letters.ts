import { TableClient, type TransactionAction } from "@azure/data-tables";
import { ServiceBusClient, type ServiceBusReceivedMessage, type ServiceBusReceiver } from "@azure/service-bus";
import pLimit from "p-limit";
import type { Dependencies } from "../../shared/dependencies.ts";
import type { Log } from "../../shared/log.ts";
import { orderRedrive } from "../../shared/operate/redrive-letters.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import { makeCarryOutRedrives } from "../../shared/redrive/carry-out.ts";
import { makeEvents } from "../../shared/telemetry/events.ts";
import type { Connections } from "../servers.ts";

/** What it took to redrive so many letters: by the app, and by the calls alone that it needs. */
export interface RedriveFigures {
  readonly letters: number;
  /** How long it took until the last letter was deferred. Both sides then wait for two seconds for another one. */
  readonly seconds: number;
  readonly bareSeconds: number;
  /** Processor time of all of it, in ms for each letter. */
  readonly cpuMs: number;
  readonly bareCpuMs: number;
}

/** More than any machine here does. */
const PER_SECOND = 10_000;
const BATCH = 100;
const CONCURRENCY = 32;
/** The rows of one claim: the run, its mark, and those by which it is found. */
const ROWS = 4;
/** A transaction takes 100 rows. */
const CLAIMS = 25;

/** Puts letters into a dead letter queue, and redrives them; and once more, by the bare calls. */
export async function measureRedrive(
  deps: Dependencies,
  log: Log,
  { serviceBus, storage, tableName, queues, body }: Connections,
  letters: number,
): Promise<RedriveFigures> {
  const [queue = ""] = queues;
  const client = new ServiceBusClient(serviceBus);
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  await deadLetter(client, queue, body, letters);
  const source = { queue };
  const how = { by: { who: "the bench" }, perSecond: PER_SECOND, replicaIsKept: true };
  await orderRedrive(deps, source, {}, how, log);
  const ours = await measured(async (onDeferred) => {
    const told = { ...deps, broker: tellingOfDeferrals(deps.broker, onDeferred) };
    await makeCarryOutRedrives(told)(makeEvents(log), new AbortController().signal);
  });
  const [stored] = await deps.instanceTable.redrives();
  if (stored?.redrive.redriven !== letters)
    throw new Error(`${stored?.redrive.redriven ?? "no"} letters were redriven, and not ${letters}`);

  await deadLetter(client, queue, body, letters);
  const receiver = client.createReceiver(queue, { subQueueType: "deadLetter" });
  const bare = await measured((onDeferred) => redriveBarely(receiver, table, onDeferred));
  await client.close();
  return {
    letters,
    seconds: ours.seconds,
    bareSeconds: bare.seconds,
    cpuMs: ours.cpuMs / letters,
    bareCpuMs: bare.cpuMs / letters,
  };
}

/** A broker that does the same, and tells of each letter that it has deferred. */
function tellingOfDeferrals(broker: MessageBroker, onDeferred: () => void): MessageBroker {
  const defer: MessageBroker["defer"] = async (...letter) => {
    await broker.defer(...letter);
    onDeferred();
  };
  // The command's broker is loaded when it is asked for, and can't be changed itself.
  return new Proxy(broker, { get: (of, name) => (name === "defer" ? defer : Reflect.get(of, name)) });
}

async function deadLetter(client: ServiceBusClient, queue: string, body: string, count: number): Promise<void> {
  const sender = client.createSender(queue);
  const receiver = client.createReceiver(queue);
  for (let done = 0; done < count; done += BATCH) {
    const messages = Array.from({ length: BATCH }, (_, index) => ({
      messageId: `letter-${done + index}`,
      body: Buffer.from(body),
    }));
    await sender.sendMessages(messages);
    for (let left = BATCH; left > 0; ) {
      const received = await receiver.receiveMessages(left, { maxWaitTimeInMs: 5_000 });
      await pLimit(CONCURRENCY).map(received, (one) => receiver.deadLetterMessage(one));
      left -= received.length;
    }
  }
  await receiver.close();
}

/** Receives each letter, writes the rows of a claim, and defers it. */
async function redriveBarely(receiver: ServiceBusReceiver, table: TableClient, onDeferred: () => void): Promise<void> {
  for (;;) {
    const received = await receiver.receiveMessages(BATCH, { maxWaitTimeInMs: 2_000 });
    if (received.length === 0) return;
    for (let from = 0; from < received.length; from += CLAIMS)
      await table.submitTransaction(received.slice(from, from + CLAIMS).flatMap(rowsOf));
    await pLimit(CONCURRENCY).map(received, (one) => receiver.deferMessage(one));
    onDeferred();
  }
}

function rowsOf({ messageId, sequenceNumber }: ServiceBusReceivedMessage): TransactionAction[] {
  const number = String(sequenceNumber);
  return Array.from({ length: ROWS }, (_, row): TransactionAction => {
    const id = String(messageId);
    return ["create", { partitionKey: "bare", rowKey: `${number}|${row}`, id, status: "waiting", attempt: 1 }];
  });
}

/** Measures what redrives letters, and says so after each that is deferred. The time ends with the last of these. */
async function measured(
  act: (onDeferred: () => void) => Promise<void>,
): Promise<{ readonly seconds: number; readonly cpuMs: number }> {
  const before = process.cpuUsage();
  const startedAt = performance.now();
  let endedAt = Number.NaN;
  await act(() => {
    endedAt = performance.now();
  });
  const { user, system } = process.cpuUsage(before);
  return { seconds: (endedAt - startedAt) / 1000, cpuMs: (user + system) / 1000 };
}
