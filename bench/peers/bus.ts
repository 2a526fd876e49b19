import { ServiceBusClient } from "@azure/service-bus";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { startBroker } from "../../local/broker/start-broker.ts";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import type { BusServer } from "../servers.ts";
import type { Kind, Order } from "./order.ts";
import { Passages } from "./passages.ts";

/** A bus in this process that pods reach, too. */
export interface PeersBus extends BusServer {
  /** The certificate, PEM, of its counters, which a scaler asks. */
  readonly certificate: string;
  readonly passages: Passages;
  /** Sends orders in one batch, each as a message whose subject is its kind. */
  send(queue: string, kind: Kind, orders: readonly Order[]): Promise<void>;
}

/** Starts it on loopback, and forwards the connections that arrive for it at `address`. */
export async function startPeersBus(address: string, queues: readonly QueueConfig[]): Promise<PeersBus> {
  const certificate = await makeCertificate([address]);
  const broker = await startBroker({ entities: { queues: [...queues], topics: [] }, counters: certificate });
  const forwarder = await startTcpProxy({ address, to: broker.port });
  const client = new ServiceBusClient(broker.connectionString);
  const passages = new Passages(broker.namespace.entities);
  return {
    connectionString: broker.connectionString.replace(`127.0.0.1:${broker.port}`, `${address}:${forwarder.port}`),
    pid: process.pid,
    certificate: certificate.cert,
    passages,
    async send(queue, subject, orders) {
      const sender = client.createSender(queue);
      await sender.sendMessages(
        orders.map((order) => ({
          messageId: order.id,
          subject,
          contentType: "application/json",
          body: Buffer.from(JSON.stringify(order)),
        })),
      );
      await sender.close();
    },
    async stop() {
      passages.stop();
      await client.close();
      await forwarder.close();
      await broker.close();
    },
  };
}
