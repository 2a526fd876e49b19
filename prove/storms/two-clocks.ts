import { planMessages } from "../stage/kinds.ts";
import { clockAhead } from "./clock-ahead.ts";
import type { Check, Scene, Storm } from "./storm.ts";

const AHEAD_MS = 60_000;
/** A line takes its time from one process to the other. */
const SLACK_MS = 5_000;
/** Which of the Dispatchers is ahead: the second. */
const AHEAD_SLOT = 1;

export const twoClocks: Storm = {
  about: "two Dispatchers, and the clock of one is a minute ahead of the other's, and of every server's",
  messages: 500,
  outageMs: 0,
  environmentOf: (slot) => (slot === AHEAD_SLOT ? clockAhead(AHEAD_MS) : {}),
  async rage(scene) {
    const { send, size, stage, until } = scene;
    await send(planMessages(size.seed, size.messages));
    await until(() => stage.openMessages() === 0);
    return () => [isAhead(scene), ...stage.dispatchers.flatMap(({ name }) => worked(scene, name))];
  },
};

/** A clock that was not shifted would prove nothing. */
function isAhead({ lines, stage }: Scene): Check {
  const [first = Number.NaN, second = Number.NaN] = stage.dispatchers.map(({ name }) => lines.aheadMs(name));
  const apart = second - first;
  return {
    claim: "their clocks were a minute apart",
    holds: Math.abs(apart - AHEAD_MS) < SLACK_MS,
    found: `${apart} ms`,
  };
}

function worked({ lines }: Scene, name: string): Check[] {
  return ["started a job", "closed a run"].map((words) => ({
    claim: `${name} ${words}`,
    holds: lines.linesWith(words, name) > 0,
    found: `${lines.linesWith(words, name)} times`,
  }));
}
