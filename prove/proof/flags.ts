import { wholeNumber } from "../../local/kit/whole-number.ts";
import { type Command, parseFlags } from "../../shared/command-line.ts";

export const PROOF = {
  usage: "npm run prove -- [FLAGS]",
  does: "Kills, freezes and lies to Dispatchers at every call they make, and checks that every message ends exactly once.",
  flags: {
    messages: { type: "string", default: "400", value: "N", says: "how many messages are sent, of every kind" },
    kills: { type: "string", default: "20", value: "N", says: "random kills and freezes, beside the systematic ones" },
    processes: { type: "string", default: "4", value: "N", says: "Dispatchers that share the work, at least 2" },
    seed: {
      type: "string",
      value: "N",
      says: "of the faults and of the messages; without it, one is made and printed",
    },
    patience: {
      type: "string",
      default: "240",
      value: "SECONDS",
      says: "how long everything may take to come to rest, in the end",
    },
    log: { type: "string", value: "FILE", says: "where to write each line of every process, and each fault" },
    json: { type: "boolean", default: false, says: "the result as JSON on standard output" },
    storms: {
      type: "boolean",
      says: "crowds, outages and clocks that disagree, instead; --storms --help lists the flags of these",
    },
  },
  notes: "Ends with 0 if the proof holds, 1 if not, 2 for wrong flags.",
} as const satisfies Command;

/** What a proof is to be. */
export interface ProofFlags {
  readonly messages: number;
  readonly kills: number;
  readonly processes: number;
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
    processes: wholeNumber("processes", values.processes, 2, 64),
    seed: values.seed === undefined ? randomSeed() : wholeNumber("seed", values.seed, 0, 2 ** 32 - 1),
    patienceMs: wholeNumber("patience", values.patience, 1, 86_400) * 1000,
    log: values.log,
    json: values.json,
  };
}
