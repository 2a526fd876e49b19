import { describeLiveBroker } from "./message-broker.ts";

describeLiveBroker("Service Bus itself, on a subscription,", (bus) => bus.freshSubscription());
