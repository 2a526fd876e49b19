import { parseArgs } from "node:util";
import { wholeNumber } from "../../local/kit/whole-number.ts";
import { STORMS } from "./all-storms.ts";

export const STORMS_USAGE = `usage: npm run prove -- --storms [NAME ...] [--messages N] [--outage SECONDS] [--seed N] [--patience SECONDS] [--log FILE] [--json]
  NAME           which of them: ${Object.keys(STORMS).join(", ")}; all by default
  --messages N   how many messages are sent (each storm has a number of its own)
  --outage S     how long what is bad lasts, seconds (each storm has a time of its own)
  --seed N       of the messages; without it, one is made and printed
  --patience S   how long anything that is waited for may take (3600)
  --log FILE     where to write each line of every process
  --json         the results as JSON on standard output`;

/** Which storms, and how big. */
export interface StormFlags {
  readonly names: readonly string[];
  /** Instead of each storm's own. */
  readonly messages: number | undefined;
  readonly outageMs: number | undefined;
  readonly seed: number;
  readonly patienceMs: number;
  readonly log: string | undefined;
  readonly json: boolean;
}

/** Reads the command line behind `--storms`. Throws an Error that says which flag or name is wrong. */
export function readStormFlags(args: readonly string[], randomSeed: () => number): StormFlags {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      storms: { type: "boolean" },
      messages: { type: "string" },
      outage: { type: "string" },
      seed: { type: "string" },
      patience: { type: "string", default: "3600" },
      log: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const known = Object.keys(STORMS);
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no storm ${unknown}: ${known.join(", ")}`);
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
