import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import type { Delivery } from "rhea";

/**
 * Says whether the link that brought this delivery is open. When a link is lost, the client opens another one for the
 * same receiver, and says so nowhere. But the message holds rhea's delivery, which its types don't show, and the
 * delivery holds its link, which never opens again.
 */
export function isLinkOpen(message: ServiceBusReceivedMessage): boolean {
  const delivery: Delivery = Reflect.get(message, "delivery");
  return delivery.link.is_open();
}
