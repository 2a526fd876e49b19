import type { BusMessage } from "../audit/audit.ts";
import type { Check } from "./storm.ts";

/** The most deliveries of any of these messages. */
export function mostDeliveries(messages: readonly BusMessage[]): number {
  return messages.reduce((most, { deliveryCount = 0 }) => Math.max(most, deliveryCount), 0);
}

/** Deliveries that have a reason of their own: the first, one that was under way when the trouble began, and one when it ended. */
const ALLOWED = 3;

/**
 * Whether deliveries were spared while a dependency was away: at most one for each lock that lapsed. A tight loop would make thousands.
 */
export function spared(messages: readonly BusMessage[], outageMs: number, lockMs: number): Check {
  const most = mostDeliveries(messages);
  const limit = Math.ceil(outageMs / lockMs) + ALLOWED;
  return {
    claim: `no message was delivered more than ${limit} times: once for each lock that lapsed`,
    holds: messages.length > 0 && most <= limit,
    found: `${most} at most, in ${messages.length} sightings`,
  };
}

/** Whether what is on the bus waits there deferred, and cost no delivery but its first and the requeues it may have had. */
export function noneDeadLettered(letters: readonly BusMessage[], when: string): Check {
  return {
    claim: `no message was dead-lettered ${when}`,
    holds: letters.length === 0,
    found: `${letters.length} dead letters`,
  };
}
