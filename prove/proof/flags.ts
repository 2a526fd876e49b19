import { makeCommand, wholeNumber } from "../../shared/command-line.ts";

/** `npm run prove`, as its user sees it. */
export const PROOF = makeCommand("npm run prove --")
  .description(
    "Kills, freezes and lies to Dispatchers at every call they make, and checks that every message ends exactly once.",
  )
  .option("--messages <n>", "how many messages are sent, of every kind", wholeNumber(1, 1_000_000), 400)
  .option("--kills <n>", "random kills and freezes, beside the systematic ones", wholeNumber(0, 100_000), 20)
  .option("--processes <n>", "Dispatchers that share the work, at least 2", wholeNumber(2, 64), 4)
  .option(
    "--seed <n>",
    "of the faults and of the messages; without it, one is made and printed",
    wholeNumber(0, 2 ** 32 - 1),
  )
  .option(
    "--patience <seconds>",
    "how long everything may take to come to rest, in the end",
    wholeNumber(1, 86_400),
    240,
  )
  .option("--log <file>", "where to write each line of every process, and each fault")
  .option("--json", "the result as JSON on standard output")
  .option("--storms", "crowds, outages and clocks that disagree, instead; --storms --help lists the flags of these")
  .addHelpText("after", "\nEnds with 0 if the proof holds, 1 if not, 2 for wrong flags.");

/** What a proof is to be. */
export interface ProofFlags {
  readonly messages: number;
  readonly kills: number;
  readonly processes: number;
  readonly seed: number;
  readonly patienceMs: number;
  readonly log?: string | undefined;
  readonly json: boolean;
}

/** Reads the command line. */
export function readProofFlags(args: readonly string[], randomSeed: () => number): ProofFlags {
  const { patience, seed = randomSeed(), json = false, ...flags } = PROOF.parse(args, { from: "user" }).opts();
  return { ...flags, seed, json, patienceMs: patience * 1000 };
}
