import { type Command, Option, type OptionValues } from "@commander-js/extra-typings";

const OUTPUTS = ["table", "json", "name"] as const;

/** Adds the flag that chooses how a list is printed. */
export function withOutput<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return command.addOption(
    new Option("-o, --output <form>", "how to print: for people, one JSON text, or the names alone")
      .choices(OUTPUTS)
      .default("table" as const),
  );
}

/** Adds the flag that chooses how one thing is printed. */
export function withJson<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return command.addOption(
    new Option("-o, --output <form>", "how to print: for people, or one JSON text")
      .choices(["table", "json"] as const)
      .default("table" as const),
  );
}

export type Output = (typeof OUTPUTS)[number];
