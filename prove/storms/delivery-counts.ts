import type { BusMessage } from "../audit/audit.ts";
import type { Check } from "./storm.ts";

/** Finds the most deliveries that one of these messages has had. */
export function mostDeliveries(messages: readonly BusMessage[]): number {
  return messages.reduce((most, { deliveryCount = 0 }) => Math.max(most, deliveryCount), 0);
}

/**
 * Deliveries that an outage does not cause: the first one, one that was under way when it began, and one when it ended.
 */
const ALLOWED = 3;

/** Checks that an outage cost at most one delivery for each lock that lapsed. A tight loop would cost thousands. */
export function spared(messages: readonly BusMessage[], outageMs: number, lockMs: number): Check {
  const most = mostDeliveries(messages);
  const limit = Math.ceil(outageMs / lockMs) + ALLOWED;
  return {
    claim: `no message was delivered more than ${limit} times, which is once for each lock that lapsed`,
    holds: messages.length > 0 && most <= limit,
    found: `${most} at most, in ${messages.length} looks at a message`,
  };
}

/** Checks that there is no dead letter. */
export function noneDeadLettered(letters: readonly BusMessage[], when: string): Check {
  return {
    claim: `no message was dead-lettered ${when}`,
    holds: letters.length === 0,
    found: `${letters.length} dead letters`,
  };
}
