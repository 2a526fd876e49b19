import { commandText, flag, quoted } from "../../shared/api/command-text.ts";
import type { TargetFlags } from "./flags.ts";

// A command that is printed is pasted later. It carries the flags by which the person named the Dispatcher, because
// without them it would find another one.

/** The flags by which a person named a Dispatcher, as words of a command. None if the command found it by itself. */
export function targetWords({ context, namespace }: TargetFlags): string[] {
  return [...flag("context", context), ...flag("namespace", namespace)];
}

/** Writes a command of these words about the same Dispatcher. */
export function commandHere(words: readonly string[], flags: TargetFlags): string {
  return commandText([...words, ...targetWords(flags)]);
}

/** Adds the flags to a command. One of kubectl takes the context alone, because it names the namespace of the Jobs. */
export function aimed(command: string, flags: TargetFlags): string {
  const words = command.startsWith("kubectl ") ? flag("context", flags.context) : targetWords(flags);
  return [command, ...words.map(quoted)].join(" ");
}

/** Adds the flags to a sentence that ends in the name of a command, such as `See: dispatcher audit`, and to no other. */
export function aimedSentence(sentence: string, flags: TargetFlags): string {
  return /: dispatcher( [a-z]+)+$/.test(sentence) ? aimed(sentence, flags) : sentence;
}
