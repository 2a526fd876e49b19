import type { Command } from "@commander-js/extra-typings";
import { end } from "../end.ts";
import { withTarget } from "../target/flags.ts";
import { withOutput } from "../text/output.ts";

/** Adds the subcommands about modules. */
export function addModules(program: Command): void {
  const modules = program.command("modules").description("Lists, shows and checks modules.");
  withOutput(withTarget(modules.command("ls")))
    .description("Lists the modules of a Dispatcher.")
    .action((flags) => end(async () => (await import("./ls.ts")).listModules(flags)));
  withTarget(modules.command("show"))
    .argument("<module>", "its name")
    .description("Prints a module as the Dispatcher understands it, with every default filled in, as JSON.")
    .action((name, flags) => end(async () => (await import("./show.ts")).showModule(name, flags)));
  modules
    .command("validate")
    .argument("[directory]", "where the module files are", "modules")
    .description("Checks module files, and asks no server, so that a pipeline can run it.")
    .addHelpText(
      "after",
      "\nEnds with 0 if all are right, 1 with a line FILE:LINE:COLUMN for each mistake, 2 for wrong flags.",
    )
    .action((directory) => end(async () => (await import("./validate.ts")).validateModules(directory)));
}
