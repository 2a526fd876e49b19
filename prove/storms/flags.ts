import { wholeNumber } from "../../local/kit/whole-number.ts";
import { type Command, parseFlags } from "../../shared/command-line.ts";
import { STORMS } from "./all-storms.ts";

export const STORM_PROOF = {
  usage: "npm run prove -- --storms [FLAGS] [NAME ...]",
  does: "Sends crowds of messages, through outages and to replicas whose clocks disagree, and checks that every message ends exactly once.",
  words: { NAME: `which storms are run: ${Object.keys(STORMS).join(", ")}; without a name, all` },
  flags: {
    storms: { type: "boolean", says: "run storms, and not kills and freezes" },
    messages: {
      type: "string",
      value: "N",
      says: "how many messages are sent; without it, each storm has its own number",
    },
    outage: {
      type: "string",
      value: "SECONDS",
      says: "how long a server is away or an image is missing; without it, each storm has its own time",
    },
    seed: { type: "string", value: "N", says: "the seed of the messages; without it, a random seed, which is printed" },
    patience: {
      type: "string",
      default: "3600",
      value: "SECONDS",
      says: "how long each thing that a storm waits for may take",
    },
    log: { type: "string", value: "FILE", says: "write each line of every process to this file" },
    json: { type: "boolean", default: false, says: "print the results as JSON" },
  },
  notes: "Ends with 0 if every storm holds, 1 if not, 2 for wrong flags.",
} as const satisfies Command;

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

/** Reads the command line behind `--storms`. Throws an Error that says which flag or name is wrong. */
export function readStormFlags(args: readonly string[], randomSeed: () => number): StormFlags {
  const { values, positionals } = parseFlags(STORM_PROOF, args);
  const known = Object.keys(STORMS);
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`no such storm: ${unknown}. Choose from these: ${known.join(", ")}`);
  const outage = values.outage === undefined ? undefined : wholeNumber("outage", values.outage, 1, 86_400);
  return {
    names: positionals.length > 0 ? positionals : known,
    messages: values.messages === undefined ? undefined : wholeNumber("messages", values.messages, 20, 1_000_000),
    outageMs: outage === undefined ? undefined : outage * 1000,
    seed: values.seed === undefined ? randomSeed() : wholeNumber("seed", values.seed, 0, 2 ** 32 - 1),
    patienceMs: wholeNumber("patience", values.patience, 1, 86_400) * 1000,
    log: values.log,
    json: values.json,
  };
}
