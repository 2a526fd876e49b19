import { ConfigError, errorText, UnavailableError } from "../shared/errors.ts";
import { Refusal } from "./refusal.ts";
import { plainText } from "./text/plain-text.ts";

/**
 * Runs a subcommand, and ends the process with the code that it resolves to. If settings are wrong, a dependency is
 * away, or the command refuses, stderr gets a line for each mistake, and the code is 1. Any other error is a mistake of
 * ours, and stderr gets its stack. One that `cleansUp` hears by itself that the reader of its output is gone.
 */
export async function end(
  subcommand: () => Promise<number>,
  { cleansUp = false }: { readonly cleansUp?: boolean } = {},
): Promise<void> {
  // The reader of a pipe, such as head, may have seen enough.
  if (!cleansUp)
    process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  const code = await subcommand().catch(failed);
  // The process ends once all is written, because connections that are kept alive would keep it for seconds.
  process.stdout.write("", () => process.exit(code));
}

function failed(error: unknown): number {
  const isKnown = error instanceof ConfigError || error instanceof UnavailableError || error instanceof Refusal;
  if (!isKnown) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
  for (const line of errorText(error).split("\n")) process.stderr.write(`error: ${plainText(line)}\n`);
  return 1;
}
