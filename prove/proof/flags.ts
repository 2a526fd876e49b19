import { makeCommand, wholeNumber } from "../../shared/command-line.ts";

/** `npm run prove`, as its user sees it. */
export const PROOF = makeCommand("npm run prove --")
  .description(
    "Kills and freezes replicas at every call they make, breaks the calls, and checks that every message ends exactly once.",
  )
  .option("--messages <n>", "how many messages are sent, of every kind", wholeNumber(1, 1_000_000), 400)
  .option(
    "--kills <n>",
    "how many random kills and freezes come on top of the planned ones",
    wholeNumber(0, 100_000),
    20,
  )
  .option("--replicas <n>", "replicas that share the work, at least 2", wholeNumber(2, 64), 4)
  .option(
    "--seed <n>",
    "repeats the faults and messages of that seed; without it, a random one is printed",
    wholeNumber(0, 2 ** 32 - 1),
  )
  .option(
    "--patience <seconds>",
    "how long everything may take to come to rest in the end",
    wholeNumber(1, 86_400),
    240,
  )
  .option("--log <file>", "write each line of every process, and each fault, to this file")
  .option("--json", "print the result as JSON")
  .option("--storms", "run the storms instead: crowds, outages, clocks that disagree (--storms --help)")
  .addHelpText("after", "\nEnds with 0 if the proof holds, 1 if not, 2 for wrong flags.");

/** What the command line asks of a proof. */
export interface ProofFlags {
  readonly messages: number;
  readonly kills: number;
  readonly replicas: number;
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
