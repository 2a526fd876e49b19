import { parseArgs } from "node:util";
import { wholeNumber } from "../../local/kit/whole-number.ts";

export const USAGE = `usage: npm run prove -- [--messages N] [--kills N] [--processes N] [--seed N] [--patience SECONDS] [--log FILE] [--json]
  --messages N   how many messages are sent, of every kind (400)
  --kills N      random kills and freezes, beside the systematic ones (20)
  --processes N  Dispatchers that share the work, at least 2 (4)
  --seed N       of the faults and of the messages; without it, one is made and printed
  --patience S   how long everything may take to come to rest, in the end (240)
  --log FILE     where to write each line of every process, and each fault
  --json         the result as JSON on standard output`;

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
  const { values } = parseArgs({
    args: [...args],
    options: {
      messages: { type: "string", default: "400" },
      kills: { type: "string", default: "20" },
      processes: { type: "string", default: "4" },
      seed: { type: "string" },
      patience: { type: "string", default: "240" },
      log: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
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
