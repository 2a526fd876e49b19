import { ServiceBusClient, type ServiceBusSender } from "@azure/service-bus";
import { BODY } from "./sample-run.ts";
import { QUEUES } from "./servers.ts";

/** Sends the messages of a bench. */
export interface Sending {
  /**
   * Sends so many messages, the same number to each queue. It uses few large batches, so that the sender does not slow
   * the bench.
   */
  send(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Makes a sender with a connection of its own to the bus. */
export function makeSending(
  serviceBus: string,
  { queues = QUEUES, body = BODY }: { queues?: readonly string[]; body?: string } = {},
): Sending {
  const client = new ServiceBusClient(serviceBus);
  const senders = queues.map((queue) => client.createSender(queue));
  let sent = 0;
  const message = () => {
    sent += 1;
    return { messageId: `${queues[0]}-${sent}`, contentType: "application/json", body: Buffer.from(body) };
  };
  const sendTo = async (sender: ServiceBusSender, count: number) => {
    let batch = await sender.createMessageBatch();
    for (let left = count; left > 0; left -= 1) {
      const next = message();
      if (batch.tryAddMessage(next)) continue;
      await sender.sendMessages(batch);
      batch = await sender.createMessageBatch();
      batch.tryAddMessage(next);
    }
    if (batch.count > 0) await sender.sendMessages(batch);
  };
  return {
    async send(count) {
      const shares = senders.map((_, index) => Math.ceil((count - index) / senders.length));
      await Promise.all(senders.map((sender, index) => sendTo(sender, shares[index] ?? 0)));
    },
    close: () => client.close(),
  };
}
