import { ServiceBusClient } from "@azure/service-bus";
import type { BrokerEntities, QueueConfig } from "../../local/broker/entities.ts";
import { type BrokerOptions, type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { type BusUser, makeBusUser } from "./bus-user.ts";

/** A local broker whose clock a test moves, and the plain SDK to look at it from outside. */
export interface LocalBus extends BusUser {
  readonly broker: LocalBroker;
  passTime(ms: number): void;
  close(): Promise<void>;
}

/** Starts a broker with the one queue `q`, whose locks last a minute. */
export function startLocalQueue(settings: Partial<QueueConfig> = {}): Promise<LocalBus> {
  return startLocalBus({ queues: [{ name: "q", lockDurationMs: 60_000, ...settings }] });
}

/** Starts a broker for one test. */
export async function startLocalBus(
  entities: Partial<BrokerEntities>,
  options: Pick<BrokerOptions, "counters" | "interference" | "key" | "log" | "maxUnsettled" | "onlyKey"> = {},
): Promise<LocalBus> {
  let offsetMs = 0;
  const broker = await startBroker({
    ...options,
    entities: { queues: [], topics: [], ...entities },
    now: () => Date.now() + offsetMs,
  });
  const client = new ServiceBusClient(broker.connectionString, { retryOptions: { maxRetries: 0 } });
  return {
    ...makeBusUser(client),
    broker,
    passTime: (ms) => {
      offsetMs += ms;
      broker.wake();
    },
    close: async () => {
      await client.close();
      await broker.close();
    },
  };
}
