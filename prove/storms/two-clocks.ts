import { planMessages } from "../stage/kinds.ts";
import { clockAhead } from "./clock-ahead.ts";
import type { Check, Storm, StormContext } from "./storm.ts";

const AHEAD_MS = 3_600_000;
/** How far the measured difference may be off, because a line takes a while from the replica to us. */
const SLACK_MS = 5_000;
/** The second replica, whose clock is ahead. */
const AHEAD_REPLICA = 1;

export const twoClocks: Storm = {
  about: "the clock of one replica is an hour ahead of the other replica's clock and of every server's",
  messages: 500,
  outageMs: 0,
  environmentOf: (replica) => (replica === AHEAD_REPLICA ? clockAhead(AHEAD_MS) : {}),
  async run(context) {
    const { send, size, stage, until } = context;
    await send(planMessages(size.seed, size.messages));
    await until(() => stage.openMessages() === 0);
    return () => [isAhead(context), ...stage.replicas.flatMap((replica, index) => checksOf(context, replica, index))];
  },
};

/** Checks that the clocks were really apart, because the storm would prove nothing otherwise. */
function isAhead({ lines, stage }: StormContext): Check {
  const [first = Number.NaN, second = Number.NaN] = stage.replicas.map(({ name }) => lines.aheadMs(name));
  const apart = second - first;
  return {
    claim: "their clocks were an hour apart",
    holds: Math.abs(apart - AHEAD_MS) < SLACK_MS,
    found: `${apart} ms`,
  };
}

/** Checks that a replica did its part of the work, and warned of its clock if that was the wrong one. */
function checksOf({ lines }: StormContext, { name }: { readonly name: string }, index: number): Check[] {
  const warnings = lines.linesWith("this machine's clock is", name);
  const isWrong = index === AHEAD_REPLICA;
  return [
    ...[
      { did: "started a job", words: '"outcome":"dispatched"' },
      { did: "closed a run", words: "closed a run" },
    ].map(({ did, words }) => ({
      claim: `${name} ${did}`,
      holds: lines.linesWith(words, name) > 0,
      found: `${lines.linesWith(words, name)} times`,
    })),
    {
      claim: `${name} warned ${isWrong ? "once" : "never"} of its machine's clock`,
      holds: warnings === (isWrong ? 1 : 0),
      found: `${warnings} times`,
    },
  ];
}
