import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";

/**
 * Renews a message's lock at half its time, for at most `forMs`, until the returned function is called or the lock is
 * gone.
 */
export function keepLocked(
  receiver: ServiceBusReceiver,
  message: ServiceBusReceivedMessage,
  forMs: number,
): () => void {
  const until = performance.now() + forMs;
  let timer: NodeJS.Timeout | undefined;
  let done = false;

  function schedule(lockedUntil: Date | undefined): void {
    const leftMs = (lockedUntil?.getTime() ?? 0) - Date.now();
    const waitMs = Math.max(leftMs / 2, 100);
    if (done || leftMs <= 0 || performance.now() + waitMs > until) return;
    timer = setTimeout(() => void renew(), waitMs);
  }

  async function renew(): Promise<void> {
    try {
      schedule(await receiver.renewMessageLock(message));
    } catch {
      // The function settled the message meanwhile, or the lock is lost. The broker decides who gets the message next.
    }
  }

  schedule(message.lockedUntilUtc);
  return () => {
    done = true;
    clearTimeout(timer);
  };
}
