import { type BareBroker, startBareBroker } from "./bare-broker.ts";

/** A broker that refuses every entity, as the service does if a role or a right is missing. */
export function startRefusingBroker(): Promise<BareBroker> {
  const refusal = {
    condition: "amqp:unauthorized-access",
    description: "Unauthorized access. 'Listen' or 'Send' claim(s) are required to perform this operation.",
  };
  return startBareBroker({
    onSender: (sender) => sender.close(refusal),
    onReceiver: (receiver) => receiver.close(refusal),
  });
}
