import { createWriteStream } from "node:fs";
import { STORMS } from "./all-storms.ts";
import type { StormFlags } from "./flags.ts";
import { type StormSummary, stormText, summariseStorm } from "./report.ts";
import { runStorm, type StormOptions } from "./run-storm.ts";

/** Runs the storms one after another and prints each result. Resolves to whether all of them hold. */
export async function proveStorms(flags: StormFlags, where: Pick<StormOptions, "apps" | "lockMs">): Promise<boolean> {
  const log = flags.log === undefined ? undefined : createWriteStream(flags.log);
  const summaries: StormSummary[] = [];
  for (const name of flags.names) {
    const storm = STORMS[name];
    if (!storm) continue;
    const { messages, outageMs } = { messages: flags.messages ?? storm.messages, outageMs: storm.outageMs };
    // The flag does not add an outage to a storm without one.
    const size = { seed: flags.seed, messages, outageMs: outageMs === 0 ? 0 : (flags.outageMs ?? outageMs) };
    const outage = size.outageMs === 0 ? "" : `, outage of ${size.outageMs / 1000} s`;
    process.stderr.write(`${name}: ${storm.about} (seed ${size.seed}, ${messages} messages${outage})\n`);
    const result = await runStorm({
      ...where,
      storm,
      size,
      patienceMs: flags.patienceMs,
      onLine: (who, line) => log?.write(`${new Date().toISOString()} ${name}: ${who}: ${line}\n`),
      onProgress: (text) => process.stderr.write(`  ${text}\n`),
    });
    const summary = summariseStorm(name, size, result);
    summaries.push(summary);
    if (!flags.json) process.stdout.write(`${stormText(summary)}\n`);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(summaries, undefined, 2)}\n`);
  return summaries.every(({ holds }) => holds);
}
