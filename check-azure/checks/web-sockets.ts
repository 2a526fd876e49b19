import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { untilSettled } from "../until-settled.ts";

const MINUTES = 10;

export const webSockets: Check = {
  question: "Do app and Functions host reach the bus by port 443 alone?",
  deed: "Deployed with network.webSockets, so that the NetworkPolicy shuts port 5671, sent a message, and deployed as before.",
  minutes: 10,
  async run(azure) {
    try {
      await azure.deploy({ network: { webSockets: true } });
      const send = () => azure.bus.send(SOURCES.codes, [{ messageId: "web-sockets", body: Buffer.from("0") }]);
      const seconds = await untilSettled(azure, SOURCES.codes, send, MINUTES);
      return seconds === undefined
        ? disproven(`A message was not settled after ${MINUTES} minutes.`)
        : proven(`A message was settled after ${seconds} s.`);
    } finally {
      await azure.deploy();
    }
  },
};
