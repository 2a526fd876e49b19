import type { Command, OptionValues } from "@commander-js/extra-typings";

/** The flags by which a person names another Dispatcher than the one that the command would find by itself. */
export interface TargetFlags {
  readonly context?: string;
  readonly namespace?: string;
}

/** Adds these flags to a subcommand. */
export function withTarget<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return command
    .option("--context <name>", "the Dispatcher in the cluster of this kubeconfig context")
    .option("--namespace <name>", "the Dispatcher in this namespace of the cluster");
}
