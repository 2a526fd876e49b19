import { Option } from "@commander-js/extra-typings";
import { makeCommand, wholeNumber } from "../../shared/command-line.ts";

/** `npm run prove`, as its user sees it. */
export const PROOF = makeCommand("npm run prove --")
  .description(
    "Kills and freezes replicas at every call they make, breaks the calls, and checks that every message ends exactly once.",
  )
  .option("--beside <commit>", "one of four replicas runs the app as it was at this commit, as in an upgrade")
  .addOption(
    new Option("--short", "takes four minutes: demands the faults of calls that the day's seed chooses").conflicts([
      "messages",
      "kills",
      "replicas",
    ]),
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
    "repeats the faults and messages of that seed; without it, a random one is printed, or the day's",
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

/**
 * The short proof. Eight replicas go through the demanded faults of so many calls in two of its four minutes, on two
 * cores; the other calls get what is left. Coming to rest takes the rest.
 */
const SHORT = { messages: 100, kills: 6, replicas: 8, demandedEdges: 24, faultsMs: 200_000 };

/** What the command line asks of a proof. */
export interface ProofFlags {
  readonly messages: number;
  readonly kills: number;
  readonly replicas: number;
  readonly seed: number;
  readonly patienceMs: number;
  readonly log?: string | undefined;
  readonly json: boolean;
  /** The commit of the app that one of four replicas runs. */
  readonly beside?: string | undefined;
  /** On how many calls the faults are demanded; on all without it. */
  readonly demandedEdges?: number;
  /** How long faults go on. */
  readonly faultsMs?: number;
}

/** Reads the command line. */
export function readProofFlags(args: readonly string[], randomSeed: () => number, today = new Date()): ProofFlags {
  const { patience, seed, json = false, short, ...flags } = PROOF.parse(args, { from: "user" }).opts();
  const rest = { json, patienceMs: patience * 1000 };
  if (short !== true) return { ...flags, ...rest, seed: seed ?? randomSeed() };
  return { ...flags, ...rest, ...SHORT, seed: seed ?? seedOfTheDay(today) };
}

/** Gives all proofs of a day one seed, such as 20261128, so that each day hits other calls. */
function seedOfTheDay(today: Date): number {
  return Number(today.toISOString().slice(0, 10).replaceAll("-", ""));
}
