import { isServiceBusError, type ServiceBusReceivedMessage, type ServiceBusReceiver } from "@azure/service-bus";

/** Half the shortest lock that an entity can have, which is 5 s. */
const RENEW_EVERY_MS = 2_500;

/** A lock that is being renewed. */
export interface KeptLock {
  /** Whether the service has said that the lock is lost, or that the message is settled. */
  readonly isLost: () => boolean;
  readonly letGo: () => void;
}

/**
 * Renews a message's lock every 2.5 s, for at most `forMs`, until it is let go or lost. A renewal that fails for another
 * reason is tried again 2.5 s later, because the lock may still last.
 *
 * The message says when its lock ends, by the service's clock. The real host compares that with the machine's clock, and
 * renews all the time, or too late, if that clock is wrong. No answer says how long the lock lasts, so this host renews
 * as if it were the shortest one.
 */
export function keepLocked(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, forMs: number): KeptLock {
  const until = performance.now() + forMs;
  let timer: NodeJS.Timeout | undefined;
  let isLost = false;
  let isLetGo = false;

  function schedule(): void {
    if (isLost || isLetGo || performance.now() + RENEW_EVERY_MS > until) return;
    timer = setTimeout(() => void renew(), RENEW_EVERY_MS);
  }

  async function renew(): Promise<void> {
    try {
      await receiver.renewMessageLock(message);
    } catch (error) {
      isLost = isServiceBusError(error) && error.code === "MessageLockLost";
    }
    schedule();
  }

  schedule();
  return {
    isLost: () => isLost,
    letGo: () => {
      isLetGo = true;
      clearTimeout(timer);
    },
  };
}
