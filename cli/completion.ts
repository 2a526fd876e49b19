import type { Complete } from "@bomb.sh/tab";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "@commander-js/extra-typings";
import type { Command as Untyped } from "commander";
import { moduleNames } from "./module-names.ts";

/**
 * Adds the subcommand `completion`, which prints a script for a shell, and the hidden one that such a script asks what
 * may follow. It has to be added last, because it offers the subcommands that are there. Where the name of a module is
 * wanted, it offers those of the module files.
 */
export function addCompletion(program: Command): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It is the same class, with other types.
  const { commands } = tab(program as unknown as Untyped, { completionCommandName: "completion" });
  for (const command of commands.values())
    for (const place of [command.options.get("module"), command.arguments.get("module")])
      if (place) place.handler = offerModules;
  program.commands
    .find((command) => command.name() === "completion")
    ?.description("Prints a script that lets a shell complete the command: source <(dispatcher completion bash)");
}

function offerModules(complete: Complete): void {
  for (const name of moduleNames()) complete(name, "");
}
