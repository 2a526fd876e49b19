import { forAll, type RunsListed } from "../cli/runs/for-all.ts";
import { FORCED_OUTCOMES } from "../shared/operate/forced-outcome.ts";
import type { Deed } from "./parts/action.ts";
import { countText } from "./parts/number.ts";
import { cancelInRounds, purgeInRounds } from "./rounds.ts";

/** How long a word of a person holds, in ms. */
const HOW_LONG = {
  name: "for",
  label: "How long",
  choices: [
    ["", "until it is resumed"],
    ["900000", "15 minutes"],
    ["3600000", "1 hour"],
    ["14400000", "4 hours"],
    ["86400000", "1 day"],
  ],
} as const;

function forMs({ for: ms = "" }: Readonly<Record<string, string>>): object {
  return ms === "" ? {} : { forMs: Number(ms) };
}

const ofModule = (module: string, verb: string) => `/modules/${encodeURIComponent(module)}/${verb}`;

export const pause = (module: string): Deed => ({
  words: `Pause ${module}`,
  says: "Nothing of it starts, its messages wait, and its Jobs at work go on. Every replica obeys within 10 s.",
  path: ofModule(module, "pause"),
  fields: [HOW_LONG],
  body: forMs,
});

export const limit = (module: string, slots: number | undefined): Deed => ({
  words: `Limit ${module}`,
  says: "So many of its Jobs may be at work at once, whatever its file says. Every replica obeys within 10 s.",
  path: ofModule(module, "limit"),
  fields: [{ name: "slots", label: "Slots", isNumber: true, value: String(slots ?? 1) }, HOW_LONG],
  body: (typed) => ({ ...forMs(typed), slots: Number(typed["slots"]) }),
});

export const resume = (module: string): Deed => ({
  words: `Resume ${module}`,
  says: "Lifts the pause or the limit, so that its file says again how many Jobs may be at work.",
  path: ofModule(module, "resume"),
  body: () => ({}),
});

/** So many messages are named one by one. */
const MOST_NAMED = 5;

/** Has an action name the messages that people know, and not the ids of their runs alone. */
export function naming(deed: Deed, runs: readonly { readonly id: string; readonly messageId?: string }[]): Deed {
  const names = runs.slice(0, MOST_NAMED).map(({ id, messageId }) => messageId || id);
  const others = runs.length - names.length;
  return { ...deed, about: names.join(", ") + (others > 0 ? ` and ${countText(others)} more` : "") };
}

/** Cancels runs. `listed`: they are all that match this, if a command can't name them one by one. */
export const cancel = (runs: readonly string[], listed?: RunsListed): Deed => ({
  words: runs.length === 1 ? "Cancel the run" : `Cancel ${countText(runs.length)} runs`,
  says: "Its message is dead-lettered. A Job at work is ended first.",
  path: "/runs/cancel",
  body: () => ({ runs }),
  rounds: cancelInRounds(runs),
  ...(listed ? { command: (how) => forAll(listed, ["runs", "cancel"], how) } : {}),
  isBad: true,
});

export const force = (run: string): Deed => ({
  words: "Give up its Job",
  says: "For a Job that can't end, because its node is dead. Be sure that the work does not go on: nothing here can tell.",
  path: "/runs/force",
  fields: [{ name: "as", label: "Its message is", choices: FORCED_OUTCOMES.map((one) => [one, one] as const) }],
  body: ({ as }) => ({ runs: [run], as }),
  isBad: true,
});

export const adopt = (run: string): Deed => ({
  words: "Adopt the message",
  says: "Takes on a deferred message that has no row, so that the next tick goes on with it.",
  path: "/runs/adopt",
  body: () => ({ runs: [run] }),
});

export const openGate = (gate: string): Deed => ({
  words: `Open gate ${gate}`,
  says: "The next ticks judge what is held there: what fits is accepted, and the rest is dead-lettered.",
  path: "/gates/open",
  body: () => ({ gates: [gate] }),
  isBad: true,
});

export const acceptCluster: Deed = {
  words: "Accept the cluster",
  says: "Takes the cluster that is seen for the right one, and the Jobs that are absent from it for deleted.",
  path: "/cluster/accept",
  body: () => ({}),
  isBad: true,
};

export const acceptLoss = (source: string): Deed => ({
  words: `Accept the loss of ${source}`,
  says: "Closes the runs of the held source whose messages are missing.",
  path: "/sources/accept-loss",
  body: () => ({ source }),
  isBad: true,
});

const HOW_MANY = {
  name: "most",
  label: "How many of each source",
  choices: [
    ["", "all of them"],
    ["1", "one, to see whether it works now"],
    ["10", "10"],
    ["100", "100"],
  ],
} as const;

/** Dead letters that have something in common: a group, or what the filters of their list say. */
export interface Alike {
  readonly group?: string;
  readonly module?: string;
  readonly reason?: string;
  readonly exitCode?: number;
  readonly since?: string;
  readonly until?: string;
}
export type Letters = Alike | { readonly runs: readonly string[] };

function wordsOf(verb: string, which: Letters): string {
  if (!("runs" in which)) return `${verb} ${which.group === undefined ? "all that match" : "the group"}`;
  return which.runs.length === 1 ? `${verb} the message` : `${verb} ${countText(which.runs.length)} messages`;
}

/** Has dead letters run once more. `listed`: they are those of all runs that match this. */
export const redrive = (which: Letters, listed?: RunsListed): Deed => ({
  words: wordsOf("Redrive", which),
  says: `${
    "runs" in which || which.group !== undefined
      ? "Each of these messages runs once more, and no other."
      : "Each dead letter that fits runs once more, also those of others, which this list doesn't have."
  } What fails again stays a dead letter.`,
  path: "/dead-letters/redrive",
  ...("runs" in which ? {} : { fields: [HOW_MANY] }),
  body: ({ most }) => ({ ...which, ...(most ? { most: Number(most) } : {}) }),
  ...(listed ? { command: (how) => forAll(listed, ["runs", "retry"], how) } : {}),
});

export const abortRedrive = (source: string): Deed => ({
  words: `End the redrive of ${source}`,
  says: "What was redriven until now goes on.",
  path: "/redrives/abort",
  body: () => ({ source }),
});

/** Takes dead letters off the bus for good. */
export const purge = (which: Letters): Deed => ({
  words: wordsOf("Purge", which),
  says: "Takes dead letters off the bus for good. Their runs stay in the history.",
  path: "/dead-letters/purge",
  body: () => which,
  rounds: purgeInRounds,
  isBad: true,
  isTyped: true,
});

export const repairAll: Deed = {
  words: "Repair what is safe",
  says: "Looks once more, and mends what needs no judgement. What only a person may decide stays as it is.",
  path: "/audit/repair",
  body: () => ({}),
};
