import { type Check, disproven, proven } from "../check.ts";
import { LARGE_BODY, SOURCES } from "../check-values.ts";
import { untilSettled } from "../until-settled.ts";

const MINUTES = 10;

export const largeBody: Check = {
  question: "Can a Job fetch a large body by a URL that the app signs with its identity, without a key of the account?",
  deed: "Sent a message of 100 KiB, whose Job fetches the body and compares its SHA-256.",
  minutes: 2,
  async run(azure) {
    const send = () => azure.bus.send(SOURCES.large, [{ messageId: "large-body", body: LARGE_BODY }]);
    const seconds = await untilSettled(azure, SOURCES.large, send, MINUTES);
    if (seconds === undefined) return disproven(`The message was not settled after ${MINUTES} minutes.`);
    const [letter] = await azure.bus.peek(SOURCES.large, { deadLetters: true });
    return letter === undefined
      ? proven(`The Job got the body as it was sent. It took ${seconds} s.`)
      : disproven(`The Job failed: ${letter.deadLetterReason}, ${letter.deadLetterErrorDescription}`);
  },
};
