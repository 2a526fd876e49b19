import { startSettlementService } from "../../local/host-link/settlement-service.ts";
import { makeFunctionsHostLink } from "../../shared/adapters/functions-host/host-link.ts";
import { makeStandaloneHostLink } from "../../shared/adapters/standalone-host/host-link.ts";
import type { HostLink } from "../../shared/ports/host-link.ts";
import { makeFakeBroker } from "../support/fake-broker.ts";
import { type HostUnderTest, startHostUnderTest } from "../support/host-under-test.ts";
import { makeTestClock } from "../support/test-clock.ts";
import { describeHostLink, type HostLinkHarness } from "./host-link.contract.ts";
import { openServiceBus } from "./service-bus-harness.ts";

const source = { queue: "q" };

describeHostLink("the fake", async () => {
  const clock = makeTestClock();
  const broker = makeFakeBroker({ clock, lockDurationMs: 60_000 });
  return {
    link: broker.hostLink,
    broker,
    source,
    deliver: async (message) => {
      const { sequenceNumber, lockToken } = broker.deliver(source, message);
      return { sequenceNumber, lockToken, end: async () => broker.endInvocation(lockToken) };
    },
    passTime: (ms) => clock.advance(ms),
    deadLetters: async () =>
      broker.messages(source).flatMap(({ letter, properties }) => {
        return letter ? [{ ...letter, properties: { ...properties, ...letter.properties } }] : [];
      }),
    close: async () => {},
  };
});

describeHostLink("the standalone host", async () => {
  const host = await startHostUnderTest();
  return harness(host, makeStandaloneHostLink(host.deliveries), () => host.close());
});

describeHostLink("the Functions host", async () => {
  const host = await startHostUnderTest();
  const service = await startSettlementService(host.deliveries);
  return harness(host, makeFunctionsHostLink(service.origin), async () => {
    await service.close();
    await host.close();
  });
});

function harness(host: HostUnderTest, link: HostLink, close: () => Promise<void>): HostLinkHarness {
  const { broker } = host;
  const user = openServiceBus({ broker, source, user: host.bus, passTime: (ms) => host.bus.passTime(ms) });
  return {
    link,
    broker,
    source,
    deliver: async (message) => {
      await user.send(message);
      return host.next();
    },
    passTime: (ms) => host.bus.passTime(ms),
    deadLetters: () => user.deadLetters(),
    close: async () => {
      await user.close();
      await close();
    },
  };
}
