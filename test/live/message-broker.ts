import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe } from "vitest";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import type { Source } from "../../shared/run/source.ts";
import { describeDeadLetterQueue } from "../contract/dead-letter-queue.contract.ts";
import { type BrokerHarness, describeMessageBroker } from "../contract/message-broker.contract.ts";
import { openServiceBus, type ServiceBusUnderTest } from "../contract/service-bus-harness.ts";
import { type LiveBus, openLiveBus } from "./live-bus.ts";
import { describeLive, readLiveSettings } from "./live-settings.ts";

const settings = readLiveSettings();

/** Checks the rules of the port on a real bus, where a minute takes a minute. `fresh` makes the source of one test. */
export function describeLiveBroker(name: string, fresh: (bus: LiveBus) => Promise<Source>): void {
  describe.skipIf(settings.kind === "none")(`the contract, ${describeLive(settings)}`, () => {
    let bus: LiveBus;
    let broker: MessageBroker;
    beforeAll(async () => {
      bus = await openLiveBus(settings);
      broker = makeServiceBusBroker(bus.connection);
    });
    afterAll(async () => {
      await broker?.close();
      await bus?.close();
    });
    describeMessageBroker(name, async () => openInTime({ broker, source: await fresh(bus), user: bus.user }));
    describeDeadLetterQueue(name, async () => ({
      source: await fresh(bus),
      user: bus.user,
      passTime: (ms) => setTimeout(ms),
    }));
  });
}

/** The contract moves a clock and goes on. Here, its next call waits until that time is over. */
function openInTime(bus: Omit<ServiceBusUnderTest, "passTime">): BrokerHarness {
  let goOnAt = 0;
  const inTime = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, key) {
        const value: unknown = Reflect.get(of, key, of);
        if (typeof value !== "function" || key === "passTime") return value;
        return async (...args: unknown[]) => {
          await setTimeout(Math.max(goOnAt - Date.now(), 0));
          return Reflect.apply(value, of, args) as unknown;
        };
      },
    });
  const passTime = (ms: number) => {
    goOnAt = Math.max(goOnAt, Date.now()) + ms;
  };
  return inTime(openServiceBus({ ...bus, broker: inTime(bus.broker), passTime }));
}
