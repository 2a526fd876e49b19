import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";

/** Half the shortest lock that an entity can have, which is 5 s. */
const RENEW_EVERY_MS = 2_500;

/**
 * Renews a message's lock every 2.5 s, for at most `forMs`, until the returned function is called or the lock is gone.
 *
 * The message says when its lock ends, by the service's clock. The real host compares that with the machine's clock, and
 * renews all the time, or too late, if that clock is wrong. No answer says how long the lock lasts, so this host renews
 * as if it were the shortest one.
 */
export function keepLocked(
  receiver: ServiceBusReceiver,
  message: ServiceBusReceivedMessage,
  forMs: number,
): () => void {
  const until = performance.now() + forMs;
  let timer: NodeJS.Timeout | undefined;
  let done = false;

  function schedule(): void {
    if (done || performance.now() + RENEW_EVERY_MS > until) return;
    timer = setTimeout(() => void renew(), RENEW_EVERY_MS);
  }

  async function renew(): Promise<void> {
    try {
      await receiver.renewMessageLock(message);
      schedule();
    } catch {
      // The function settled the message meanwhile, or the lock is lost. The broker decides who gets the message next.
    }
  }

  schedule();
  return () => {
    done = true;
    clearTimeout(timer);
  };
}
