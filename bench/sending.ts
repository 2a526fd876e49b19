import { ServiceBusClient } from "@azure/service-bus";
import { BODY } from "./sample-run.ts";
import { QUEUE } from "./servers.ts";

/** Who sends the bench's messages. */
export interface Sending {
  /** Sends so many, as few batches as they fit into: the sender is never what the rest waits for. */
  send(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a connection of its own to the bus. */
export function makeSending(serviceBus: string, { queue = QUEUE, body = BODY } = {}): Sending {
  const client = new ServiceBusClient(serviceBus);
  const sender = client.createSender(queue);
  let sent = 0;
  const message = () => {
    sent += 1;
    return { messageId: `${queue}-${sent}`, contentType: "application/json", body: Buffer.from(body) };
  };
  return {
    async send(count) {
      let batch = await sender.createMessageBatch();
      for (let left = count; left > 0; left -= 1) {
        const next = message();
        if (batch.tryAddMessage(next)) continue;
        await sender.sendMessages(batch);
        batch = await sender.createMessageBatch();
        batch.tryAddMessage(next);
      }
      await sender.sendMessages(batch);
    },
    close: () => client.close(),
  };
}
