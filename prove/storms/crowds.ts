import type { Books } from "../audit/audit.ts";
import { planMessages } from "../stage/kinds.ts";
import type { Check, Storm } from "./storm.ts";

const CROWD = 10_000;

/** Dead letters that the broker wrote by itself mean that the Dispatcher left a message lying too often. */
function noneByBroker({ deadLetters }: Books): Check {
  const byBroker = deadLetters.filter(({ reason }) => reason === "MaxDeliveryCountExceeded").length;
  return {
    claim: "no message was dead-lettered by the bus itself",
    holds: byBroker === 0,
    found: `${byBroker} dead letters of the bus`,
  };
}

function sendAll(kind: "success" | "exhausted"): Storm["rage"] {
  return async ({ send, size: { seed, messages }, stage, until, say }) => {
    const startedAt = performance.now();
    const seconds = () => Math.round((performance.now() - startedAt) / 1000);
    await send(planMessages(seed, messages, [kind]));
    say(`all sent after ${seconds()} s`);
    await until(() => stage.openMessages() === 0);
    say(`all settled after ${seconds()} s`);
    return (books) => [noneByBroker(books)];
  };
}

export const crowd: Storm = {
  about: "messages by the thousand at once",
  messages: CROWD,
  outageMs: 0,
  rage: sendAll("success"),
};

export const failingCrowd: Storm = {
  about: "messages by the thousand at once, and every one of them fails three times",
  messages: CROWD,
  outageMs: 0,
  rage: sendAll("exhausted"),
};
