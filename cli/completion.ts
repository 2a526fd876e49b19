import tab from "@bomb.sh/tab/commander";
import type { Command } from "@commander-js/extra-typings";
import type { Command as Untyped } from "commander";

/**
 * Adds the subcommand `completion`, which prints a script for a shell, and the hidden one that such a script asks what
 * may follow. It has to be added last, because it offers the subcommands that are there.
 */
export function addCompletion(program: Command): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It is the same class, with other types.
  tab(program as unknown as Untyped, { completionCommandName: "completion" });
  program.commands
    .find((command) => command.name() === "completion")
    ?.description("Prints a script that lets a shell complete the command: source <(dispatcher completion bash)");
}
