import type { Command } from "@commander-js/extra-typings";
import { positiveDuration, wholeNumber } from "../../shared/command-line.ts";
import { withDoing } from "../doing.ts";
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
    .description("Prints a module as its file is now, with every default filled in, as JSON.")
    .addHelpText(
      "after",
      `
A running Dispatcher goes on with what it read before, until it has taken the changed file.
The status says if it has another form of a file.`,
    )
    .action((name, flags) => end(async () => (await import("./show.ts")).showModule(name, flags)));
  withDoing(withTarget(modules.command("pause")))
    .argument("<module>", "its name")
    .option("--for <duration>", "how long, such as 1h; without it, until it is resumed", positiveDuration)
    .description("Pauses a module: nothing of it starts, its messages wait, and its Jobs at work go on.")
    .action((module, flags) => end(async () => (await import("./limit.ts")).limitModule(module, 0, flags)));
  withDoing(withTarget(modules.command("limit")))
    .argument("<module>", "its name")
    .argument("<slots>", "how many of its Jobs may be at work at once", wholeNumber(0, 100_000))
    .option("--for <duration>", "how long, such as 1h; without it, until it is resumed", positiveDuration)
    .description("Lets so many Jobs of a module be at work, whatever its file says.")
    .action((module, slots, flags) => end(async () => (await import("./limit.ts")).limitModule(module, slots, flags)));
  withDoing(withTarget(modules.command("resume")))
    .argument("<module>", "its name")
    .description("Lifts the pause or the limit of a module, so that its file counts again.")
    .action((module, flags) => end(async () => (await import("./limit.ts")).resumeModule(module, flags)));
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
