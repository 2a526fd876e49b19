import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import leven from "leven";

/** More wrong letters than this are no slip. */
const MOST_WRONG = 3;

/** Has a command and its groups refuse what they don't know, and name the command that was meant. */
export function refuseUnknownCommands(program: CommandUnknownOpts): void {
  for (const group of [program, ...program.commands.filter(({ commands }) => commands.length > 0)])
    group.on("command:*", ([word = ""]: readonly string[]) => refuseCommand(group, word));
}

/** Finds the command of these words, such as `runs ls`. Ends the process with 2 if there is none. */
export function commandNamed(program: CommandUnknownOpts, words: readonly string[]): CommandUnknownOpts {
  let found = program;
  for (const word of words)
    found = found.commands.find((command) => command.name() === word) ?? refuseCommand(found, word);
  return found;
}

/** Ends the process with 2, after a sentence that names what was meant: a command of this group, or else of another. */
function refuseCommand(group: CommandUnknownOpts, word: string): never {
  const program = group.parent ?? group;
  const [first, ...others] = nearest(below(group), word) ?? nearest(below(program), word) ?? [];
  const meant = others.length === 0 ? first : `one of ${[first, ...others].join(", ")}`;
  const name = [...pathOf(group).slice(1), word].join(" ");
  return group.error(`error: unknown command '${name}'${meant === undefined ? "" : `\n(Did you mean ${meant}?)`}`);
}

/** All commands below a group that help lists. */
function below(group: CommandUnknownOpts): CommandUnknownOpts[] {
  const listed = group.createHelp().visibleCommands(group);
  // The `help` that a group has by itself stands below none.
  return listed.filter(({ parent }) => parent !== null).flatMap((command) => [command, ...below(command)]);
}

/** The names of a command and of those above it. */
function pathOf(command: CommandUnknownOpts): string[] {
  return [...(command.parent ? pathOf(command.parent) : []), command.name()];
}

/** The commands whose last name is the nearest one. Undefined if too many letters are wrong in all of them. */
function nearest(commands: readonly CommandUnknownOpts[], word: string): string[] | undefined {
  const found = commands.map((command) => ({ command, wrong: leven(word.toLowerCase(), command.name()) }));
  const least = Math.min(...found.map(({ wrong }) => wrong));
  if (least > Math.min(MOST_WRONG, word.length / 2)) return undefined;
  return found.flatMap(({ command, wrong }) => (wrong === least ? [pathOf(command).join(" ")] : []));
}
