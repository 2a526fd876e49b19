import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { Operator } from "../../shared/operate/operator.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import { plainJson } from "../text/plain-text.ts";
import { print } from "../text/print.ts";
import { isLive } from "../text/style.ts";
import { statusText } from "./status-text.ts";

interface StatusFlags extends TargetFlags {
  readonly output: "table" | "json";
  readonly watch?: true;
}

const EVERY_MS = 2_000;
/** Moves the cursor to the top, and clears what is below it. */
const FROM_THE_TOP = "\u001b[H\u001b[J";

/** Shows what runs, what waits and why, and what is wrong. Resolves to 1 if anything is wrong. */
export async function showStatus(flags: StatusFlags): Promise<number> {
  return withOperator(flags, async (operator) => {
    if (flags.watch) return watch(operator, flags);
    const status = await shown("reading the table", operator.status());
    print(flags.output === "json" ? plainJson(status, 2) : statusText(status, flags));
    return status.problems.length > 0 ? 1 : 0;
  });
}

/** Shows it again and again until Ctrl-C. Outside of a terminal, what is shown comes below what was shown before. */
async function watch(operator: Operator, { output, ...flags }: StatusFlags): Promise<number> {
  const stopping = new AbortController();
  void once(process, "SIGINT").then(() => stopping.abort());
  for (;;) {
    const status = await operator.status();
    const text = output === "json" ? plainJson(status) : statusText(status, flags);
    if (output === "table" && isLive(process.stdout)) {
      const rows = text.split("\n").slice(0, process.stdout.rows - 1);
      process.stdout.write(`${FROM_THE_TOP}${rows.join("\n")}\n`);
    } else print(output === "json" ? text : `${text}\n`);
    await setTimeout(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    if (stopping.signal.aborted) return status.problems.length > 0 ? 1 : 0;
  }
}
