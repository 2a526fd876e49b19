import { describeLiveBroker } from "./message-broker.ts";

describeLiveBroker("Service Bus itself, on a queue,", (bus) => bus.freshQueue());
