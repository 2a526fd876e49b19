import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { makeProgram } from "../../cli/program.ts";

/** A subcommand of `dispatcher`. */
interface Named {
  /** Its name, such as `modules ls`. */
  readonly name: string;
  /** What --help prints at 80 columns. */
  readonly help: string;
}

/** All subcommands of `dispatcher` that help lists, in that order. */
export function subcommands(): Named[] {
  return below(makeProgram("dispatcher"));
}

function below(command: CommandUnknownOpts): Named[] {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");
  return visible.flatMap((one) => [
    { name: one.name(), help: helpOf(one) },
    ...below(one).map(({ name, help }) => ({ name: `${one.name()} ${name}`, help })),
  ]);
}

function helpOf(command: CommandUnknownOpts): string {
  let help = "";
  command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => 80 });
  command.outputHelp();
  return help;
}
