import type { EventContext, Receiver } from "rhea";
import { deliveryOf, rawMessages } from "./amqp.ts";
import { asBrokerError } from "./broker-error.ts";
import { readContent } from "./message-content.ts";
import type { Namespace } from "./namespace.ts";

/**
 * Takes the messages that a client sends to a queue or topic, single ones and batches. A batch is accepted or refused
 * as a whole.
 */
export function sendLink(namespace: Namespace, address: string, link: Receiver, now: () => number): void {
  link.on("message", (context: EventContext) => {
    const delivery = deliveryOf(context);
    try {
      namespace.publish(
        address,
        rawMessages(context).map((raw) => readContent(raw, now())),
      );
      namespace.whenSaved(() => delivery.accept());
    } catch (error) {
      const { condition, message } = asBrokerError(error);
      // Rejects in a turn of its own, because rhea answers neighbouring deliveries of one turn with one outcome.
      setImmediate(() => delivery.reject({ condition, description: message }));
    }
  });
}
