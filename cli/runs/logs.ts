import { once } from "node:events";
import { runId } from "../../shared/run/run.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { known, oneRun } from "./one-run.ts";

interface LogFlags extends TargetFlags {
  readonly follow?: true;
  readonly attempt?: number;
  readonly raw?: true;
}

/** Prints the log of a run's attempt. If it has several containers, each line begins with the name of its own. */
export async function printLogs(id: string, flags: LogFlags): Promise<number> {
  const { raw = false } = flags;
  return withOperator(flags, async (operator) => {
    const key = await oneRun(operator, id, flags);
    if (flags.follow) {
      const stopping = new AbortController();
      void once(process, "SIGINT").then(() => stopping.abort());
      for await (const { attempt, container, text } of operator.followLogs(key, { signal: stopping.signal }))
        write(text, raw, `${attempt}/${container} | `);
      return 0;
    }
    const log = known(await shown("reading the log", operator.logs(key, flags.attempt)), key);
    if (log.from === "nowhere") {
      const why = log.attempt === 0 ? "no attempt of it has begun" : `attempt ${log.attempt} left none, or it is gone`;
      note(plainText(`there is no log of ${runId(key)}: ${why}`));
      return 1;
    }
    for (const { container, text, isCut } of log.containers) {
      if (isCut) note(plainText(`only the last part of the log of ${container} is left`));
      write(text, raw, log.containers.length > 1 ? `${container} | ` : "");
    }
    return 0;
  });
}

/** Writes what a worker wrote, line by line. */
function write(text: string, raw: boolean, prefix: string): void {
  if (raw) {
    process.stdout.write(text);
    return;
  }
  for (const line of text.replace(/\n$/, "").split("\n"))
    process.stdout.write(`${prefix}${plainText(line.replace(/\r$/, ""))}\n`);
}
