import type { Command, OptionValues } from "@commander-js/extra-typings";

/** Adds the flags of a subcommand that changes something. */
export function withDoing<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return command
    .option("--why <text>", "the reason, for those who see it later")
    .option("--dry-run", "only say what would be done");
}

/** What these flags say. */
export interface DoingFlags {
  readonly why?: string;
  readonly dryRun?: true;
}
