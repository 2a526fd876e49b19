import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { settleOne } from "../settle-one.ts";

const MINUTES = 10;

export const webSockets: Check = {
  question: "Do app and Functions host reach the bus by port 443 alone?",
  deed: "Deployed with network.webSockets, so that the NetworkPolicy shuts port 5671, sent a message, and deployed as before.",
  minutes: 10,
  async run(azure) {
    try {
      await azure.deploy({ network: { webSockets: true } });
      const seconds = await settleOne(azure, SOURCES.codes, Buffer.from("0"), MINUTES);
      return seconds === undefined
        ? disproven(`A message was not settled after ${MINUTES} minutes.`)
        : proven(`A message was settled after ${seconds} s.`);
    } finally {
      await azure.deploy();
    }
  },
};
