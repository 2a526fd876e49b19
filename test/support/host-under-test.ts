import { ServiceBusClient } from "@azure/service-bus";
import { listen } from "../../host/service-bus-listener.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import type { OfferedDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import { type LocalBus, startLocalQueue } from "./local-broker-harness.ts";

/** One invocation of the function: the delivery's token, and a function that lets it return. */
interface Invocation {
  readonly sequenceNumber: number;
  readonly lockToken: string;
  end(): Promise<void>;
}

/** The standalone host's listener on a local broker, with a function that runs until a test ends it. */
export interface HostUnderTest {
  readonly bus: LocalBus;
  readonly broker: MessageBroker;
  readonly deliveries: OfferedDeliveries;
  /** The next invocation. */
  next(): Promise<Invocation>;
  close(): Promise<void>;
}

/** Starts a host that listens at the queue `q`, whose locks last a minute. */
export async function startHostUnderTest(): Promise<HostUnderTest> {
  const bus = await startLocalQueue();
  const client = new ServiceBusClient(bus.broker.connectionString);
  const broker = makeServiceBusBroker({ kind: "connectionString", value: bus.broker.connectionString });
  const deliveries: OfferedDeliveries = new Map();
  const started: Invocation[] = [];
  const waiting: ((invocation: Invocation) => void)[] = [];
  const ends = new Set<() => void>();
  const listener = listen({
    client,
    entity: { queue: "q" },
    fn: {
      name: "held",
      bindings: {},
      trigger: { bindingName: "message", binding: { type: "serviceBusTrigger", dataType: "string" } },
      callback: () => undefined,
    },
    settings: {
      autoCompleteMessages: false,
      maxConcurrentCalls: 16,
      prefetchCount: 0,
      maxAutoLockRenewalDuration: 300_000,
    },
    deliveries,
    invoke: async (_fn, { metadata }) => {
      const lockToken = metadata["LockToken"]?.string ?? "";
      let end = (): void => {};
      const over = new Promise<undefined>((resolve) => {
        end = () => resolve(undefined);
      });
      ends.add(end);
      const invocation = {
        sequenceNumber: Number(metadata["SequenceNumber"]?.json),
        lockToken,
        end: async () => {
          end();
          while (deliveries.has(lockToken)) await new Promise((resolve) => setImmediate(resolve));
        },
      };
      const asker = waiting.shift();
      if (asker) asker(invocation);
      else started.push(invocation);
      return over;
    },
    log: { system: () => {}, of: () => () => {} },
  });
  return {
    bus,
    broker,
    deliveries,
    next: () => {
      const ready = started.shift();
      return ready ? Promise.resolve(ready) : new Promise((resolve) => waiting.push(resolve));
    },
    close: async () => {
      for (const end of ends) end();
      await listener.stop();
      await client.close();
      await broker.close();
      await bus.close();
    },
  };
}
