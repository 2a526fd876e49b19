import { expect } from "vitest";
import { makeProgram } from "../../cli/program.ts";

/** Takes a command apart as a shell does. */
export function wordsOf(command: string): string[] {
  const [program, ...words] = [...command.matchAll(/((?:'[^']*'|\\'|[^\s'\\])+)/g)].map(([word]) =>
    word.replaceAll(
      /'([^']*)'|\\(')/g,
      (_, quoted: string | undefined, escaped: string | undefined) => quoted ?? escaped ?? "",
    ),
  );
  expect(program).toBe("dispatcher");
  return words;
}

/** Lets the command parse these words without doing them. Gives what is wrong with them. */
export function parsedBy(words: readonly string[]): string {
  let said = "";
  const program = makeProgram("dispatcher");
  const all = [...program.commands, ...program.commands.flatMap(({ commands }) => commands)];
  for (const command of [program, ...all])
    command
      .exitOverride((error) => {
        throw error;
      })
      .configureOutput({ writeErr: (text) => (said += text) });
  for (const command of all) if (command.commands.length === 0) command.action(() => {});
  try {
    program.parse([...words], { from: "user" });
  } catch {
    return said === "" ? "it ended" : said;
  }
  return said;
}
