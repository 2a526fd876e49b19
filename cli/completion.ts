import type { Complete } from "@bomb.sh/tab";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "@commander-js/extra-typings";
import type { Command as Untyped } from "commander";
import { moduleNames } from "./module-names.ts";
import { print } from "./text/print.ts";

/**
 * Adds the subcommand `completion`, which prints a script for a shell, and the hidden one that such a script asks what
 * may follow. It has to be added last, because it offers the subcommands that are there. Where the name of a module is
 * wanted, it offers those of the module files, and where a run is, the ids of open runs.
 */
export function addCompletion(program: Command): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It is the same class, with other types.
  const { commands } = tab(program as unknown as Untyped, { completionCommandName: "completion" });
  let openRuns: readonly string[] = [];
  const takeRuns: string[] = [];
  for (const [name, command] of commands) {
    for (const place of [command.options.get("module"), command.arguments.get("module")])
      if (place) place.handler = (complete) => offer(moduleNames(), complete);
    const run = command.arguments.get("run");
    if (!run || name.startsWith("dead ")) continue;
    takeRuns.push(name);
    run.handler = (complete) => offer(openRuns, complete);
  }
  const find = (name: string) => program.commands.find((command) => command.name() === name);
  find("completion")
    ?.description("Prints a script that lets a shell complete the command: source <(dispatcher completion bash)")
    .hook("postAction", (_, { args: [shell] }) => {
      if (shell === "bash") print(withColons(program.name()));
    });
  // What is offered is asked for before, because the package does not wait for an answer.
  find("complete")
    ?.hook("preAction", async (_, { args }) => {
      if (!isForRun(args, takeRuns)) return;
      const { runIds } = await import("./run-ids.ts");
      openRuns = await runIds(args.at(-1) ?? "");
    })
    .hook("postAction", () => {
      // Connections that are kept alive would keep the process, and the shell, for seconds.
      process.stdout.write("", () => process.exit());
    });
}

/** Whether the last of these words is to name a run. */
function isForRun(words: readonly string[], takeRuns: readonly string[]): boolean {
  const before = words.slice(0, -1).filter((word) => !word.startsWith("-"));
  const last = words.at(-1) ?? "";
  return !last.startsWith("-") && takeRuns.some((name) => `${before.join(" ")} `.startsWith(`${name} `));
}

/**
 * Goes on with the script for bash. Bash takes a colon for the end of a word, so that it would write what is before the
 * colon twice, and ids of runs have two.
 */
function withColons(name: string): string {
  return `
__${name}_with_colons() {
    __${name}_complete
    local cur
    _get_comp_words_by_ref -n "=:" cur
    __ltrim_colon_completions "$cur"
}
complete -F __${name}_with_colons ${name}`;
}

function offer(names: readonly string[], complete: Complete): void {
  for (const name of names) complete(name, "");
}
