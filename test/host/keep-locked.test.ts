import { ServiceBusError, type ServiceBusReceivedMessage, type ServiceBusReceiver } from "@azure/service-bus";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { keepLocked } from "../../host/keep-locked.ts";

const HOUR_MS = 3_600_000;
const NOW = Date.parse("2026-01-01T00:00:00Z");

beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  return () => vi.useRealTimers();
});

/**
 * Receives a message, which is locked for `lockMs`, on a machine whose wall clock is `aheadMs` ahead. Its lock can be
 * renewed as long as it lasts, by the service's clock.
 */
function receive(lockMs: number, aheadMs = 0) {
  let [attempts, renewals, isSettled, isBusy] = [0, 0, false, false];
  const serviceNow = () => NOW + performance.now() - startedAt;
  const startedAt = performance.now();
  let until = NOW + lockMs;
  vi.setSystemTime(NOW + aheadMs);
  const renewMessageLock = async () => {
    attempts += 1;
    if (isBusy) throw new ServiceBusError("come back later", "ServiceBusy");
    if (isSettled || serviceNow() > until) throw new ServiceBusError("the lock is lost", "MessageLockLost");
    renewals += 1;
    until = serviceNow() + lockMs;
    return new Date(until);
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only these are asked for.
  const receiver = { renewMessageLock } as unknown as ServiceBusReceiver;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only these are asked for.
  const message = { lockedUntilUtc: new Date(until) } as unknown as ServiceBusReceivedMessage;
  return {
    keep: (forMs: number) => keepLocked(receiver, message, forMs),
    isLocked: () => serviceNow() <= until,
    attempts: () => attempts,
    renewals: () => renewals,
    beBusy: (busy: boolean) => {
      isBusy = busy;
    },
    settle: () => {
      isSettled = true;
    },
  };
}

describe("a message whose function runs", () => {
  it.each([
    { clock: "is right", aheadMs: 0 },
    { clock: "is an hour ahead", aheadMs: HOUR_MS },
    { clock: "is an hour behind", aheadMs: -HOUR_MS },
    { clock: "is 3 s ahead", aheadMs: 3_000 },
  ])("stays locked, by few renewals, on a machine whose clock $clock", async ({ aheadMs }) => {
    for (const lockMs of [5_000, 300_000]) {
      const { keep, isLocked, renewals } = receive(lockMs, aheadMs);
      const { letGo } = keep(2 * HOUR_MS);
      for (let second = 0; second < 600; second += 1) {
        await vi.advanceTimersByTimeAsync(1_000);
        expect(isLocked()).toBe(true);
      }
      expect(renewals()).toBeLessThanOrEqual(240);
      letGo();
    }
  });

  it("is let go when its function has ended, or was settled, or has run for too long", async () => {
    const ended = receive(5_000);
    const { letGo } = ended.keep(HOUR_MS);
    await vi.advanceTimersByTimeAsync(6_000);
    letGo();
    const settled = receive(5_000);
    settled.keep(HOUR_MS);
    await vi.advanceTimersByTimeAsync(6_000);
    settled.settle();
    const long = receive(5_000);
    long.keep(6_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ended, settled, long].map(({ renewals }) => renewals())).toEqual([2, 2, 2]);
    // One more told that the lock is gone.
    expect(settled.attempts()).toBe(3);
  });

  it("stays locked though a renewal fails, until the service says that the lock is lost", async () => {
    const { keep, isLocked, attempts, beBusy } = receive(5_000);
    const { isLost } = keep(HOUR_MS);
    await vi.advanceTimersByTimeAsync(1_000);
    beBusy(true);
    await vi.advanceTimersByTimeAsync(2_000);
    beBusy(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(attempts()).toBe(2);
    expect([isLocked(), isLost()]).toEqual([true, false]);
    beBusy(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([isLocked(), isLost()]).toEqual([false, false]);
    beBusy(false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(isLost()).toBe(true);
    expect(attempts()).toBe(7);
  });
});
