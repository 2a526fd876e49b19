import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { CommandError } from "../command.ts";
import { untilSettled } from "../until-settled.ts";

const MINUTES = 10;

export const ownLogin: Check = {
  question: "Can a sender send the first message with npm run send, by the login of az?",
  deed: "Sent a message so, and waited until it was settled.",
  minutes: 2,
  async run(azure) {
    const send = () => azure.sendByLogin(SOURCES.codes.queue, "0");
    try {
      const seconds = await untilSettled(azure, SOURCES.codes, send, MINUTES);
      return seconds === undefined
        ? disproven(`The message was not settled after ${MINUTES} minutes.`)
        : proven(`The message was settled after ${seconds} s.`);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return disproven(error.lastLines);
    }
  },
};
