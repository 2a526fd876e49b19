import { Argument } from "@commander-js/extra-typings";
import { makeCommand, wholeNumber } from "../../shared/command-line.ts";
import { STORMS } from "./all-storms.ts";

/** `npm run prove -- --storms`, as its user sees it. */
export const STORM_PROOF = makeCommand("npm run prove -- --storms")
  .description(
    "Sends crowds of messages through outages and to clocks that disagree, and checks that every message ends exactly once.",
  )
  .addArgument(new Argument("[name...]", "which storms; without a name, all").choices(Object.keys(STORMS)))
  .option("--storms", "storms, instead of kills and freezes")
  .option(
    "--messages <n>",
    "how many messages are sent; without it, each storm's own number",
    wholeNumber(20, 1_000_000),
  )
  .option("--outage <seconds>", "how long what is bad lasts; without it, each storm's own time", wholeNumber(1, 86_400))
  .option("--seed <n>", "of the messages; without it, one is made and printed", wholeNumber(0, 2 ** 32 - 1))
  .option("--patience <seconds>", "how long anything that is waited for may take", wholeNumber(1, 86_400), 3600)
  .option("--log <file>", "where to write each line of every process")
  .option("--json", "the results as JSON on standard output")
  .addHelpText("after", "\nEnds with 0 if every storm ended well, 1 if not, 2 for wrong flags.");

/** What the command line asks of the storms. */
export interface StormFlags {
  readonly names: readonly string[];
  /** The number of messages; undefined if each storm has its own. */
  readonly messages: number | undefined;
  /** The time of an outage; undefined if each storm has its own. */
  readonly outageMs: number | undefined;
  readonly seed: number;
  readonly patienceMs: number;
  readonly log: string | undefined;
  readonly json: boolean;
}

/** Reads the command line, `--storms` included. */
export function readStormFlags(args: readonly string[], randomSeed: () => number): StormFlags {
  const command = STORM_PROOF.parse(args, { from: "user" });
  const [names] = command.processedArgs;
  const { messages, outage, seed, patience, log, json = false } = command.opts();
  return {
    names: names.length > 0 ? names : Object.keys(STORMS),
    messages,
    outageMs: outage === undefined ? undefined : outage * 1000,
    seed: seed ?? randomSeed(),
    patienceMs: patience * 1000,
    log,
    json,
  };
}
