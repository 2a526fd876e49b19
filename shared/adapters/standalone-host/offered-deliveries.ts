import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";

/** One delivery, as the standalone host offers it to the app: the message as it came, and the ways to settle it. */
export interface OfferedDelivery {
  readonly message: ServiceBusReceivedMessage;
  readonly complete: () => Promise<void>;
  readonly defer: (properties: Parameters<ServiceBusReceiver["deferMessage"]>[1]) => Promise<void>;
  readonly deadLetter: (letter: Parameters<ServiceBusReceiver["deadLetterMessage"]>[1]) => Promise<void>;
}

/** The deliveries whose functions run just now, by their lock tokens. */
export type OfferedDeliveries = Map<string, OfferedDelivery>;

/** Host and app are bundles of their own, so that they can share only a global. */
const OFFERED = Symbol.for("dispatcher: the deliveries that this host offers");

/**
 * Gives the place where the standalone host offers its deliveries, and makes it first if there is none. What a trigger
 * hands over passes through `@azure/functions`, which can carry no function and no message as it came.
 */
export function offerDeliveries(): OfferedDeliveries {
  const offered = offeredDeliveries() ?? new Map<string, OfferedDelivery>();
  Reflect.set(globalThis, OFFERED, offered);
  return offered;
}

/** Finds the deliveries that the standalone host offers. Undefined in any other host. */
export function offeredDeliveries(): OfferedDeliveries | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only offerDeliveries sets it
  return Reflect.get(globalThis, OFFERED) as OfferedDeliveries | undefined;
}
