import { wholeNumber } from "../../local/kit/whole-number.ts";
import { type Command, parseFlags } from "../../shared/command-line.ts";

export const PROOF = {
  usage: "npm run prove -- [FLAGS]",
  does: "Kills and freezes replicas at every call they make and breaks the calls, and checks that every message ends exactly once.",
  flags: {
    messages: { type: "string", default: "400", value: "N", says: "how many messages are sent, of all kinds together" },
    kills: {
      type: "string",
      default: "20",
      value: "N",
      says: "how many kills and freezes happen at random moments, beside those at every call",
    },
    processes: { type: "string", default: "4", value: "N", says: "how many replicas share the work, at least 2" },
    seed: {
      type: "string",
      value: "N",
      says: "the seed of the faults and the messages; without it, a random seed, which is printed",
    },
    patience: {
      type: "string",
      default: "240",
      value: "SECONDS",
      says: "how long everything may take to come to rest after the last fault",
    },
    log: { type: "string", value: "FILE", says: "write each line of every process, and each fault, to this file" },
    json: { type: "boolean", default: false, says: "print the result as JSON" },
    storms: {
      type: "boolean",
      says: "run the storms instead: crowds, outages and clocks that disagree; add --help for their flags",
    },
  },
  notes: "Ends with 0 if the proof holds, 1 if not, 2 for wrong flags.",
} as const satisfies Command;

/** What the command line asks of a proof. */
export interface ProofFlags {
  readonly messages: number;
  readonly kills: number;
  readonly replicas: number;
  readonly seed: number;
  readonly patienceMs: number;
  readonly log: string | undefined;
  readonly json: boolean;
}

/** Reads the command line. Throws an Error that says which flag is wrong. */
export function readProofFlags(args: readonly string[], randomSeed: () => number): ProofFlags {
  const { values } = parseFlags(PROOF, args);
  return {
    messages: wholeNumber("messages", values.messages, 1, 1_000_000),
    kills: wholeNumber("kills", values.kills, 0, 100_000),
    replicas: wholeNumber("processes", values.processes, 2, 64),
    seed: values.seed === undefined ? randomSeed() : wholeNumber("seed", values.seed, 0, 2 ** 32 - 1),
    patienceMs: wholeNumber("patience", values.patience, 1, 86_400) * 1000,
    log: values.log,
    json: values.json,
  };
}
