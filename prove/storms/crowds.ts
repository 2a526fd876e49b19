import type { Records } from "../audit/audit.ts";
import { planMessages } from "../stage/kinds.ts";
import type { Check, Storm } from "./storm.ts";

const CROWD = 10_000;

/**
 * Checks that the bus dead-lettered nothing by itself. It does that if the Dispatcher leaves a delivery unsettled too
 * often.
 */
function noneByBroker({ deadLetters }: Records): Check {
  const byBroker = deadLetters.filter(({ reason }) => reason === "MaxDeliveryCountExceeded").length;
  return {
    claim: "the bus dead-lettered no message by itself",
    holds: byBroker === 0,
    found: `${byBroker} dead letters of the bus`,
  };
}

function sendAll(kind: "silent" | "exhausted"): Storm["run"] {
  return async ({ send, size: { seed, messages }, stage, until, say }) => {
    const startedAt = performance.now();
    const seconds = () => Math.round((performance.now() - startedAt) / 1000);
    await send(planMessages(seed, messages, [kind]));
    say(`all sent after ${seconds()} s`);
    await until(() => stage.openMessages() === 0);
    say(`all settled after ${seconds()} s`);
    return (records) => [noneByBroker(records)];
  };
}

export const crowd: Storm = {
  about: "thousands of messages arrive at once",
  messages: CROWD,
  outageMs: 0,
  hasManyRows: true,
  run: sendAll("silent"),
};

export const failingCrowd: Storm = {
  about: "thousands of messages arrive at once, and every one of them fails three times",
  messages: CROWD,
  outageMs: 0,
  hasManyRows: true,
  run: sendAll("exhausted"),
};
