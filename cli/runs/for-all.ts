import { commandText, flag } from "../../shared/api/command-text.ts";
import type { RunsWanted } from "../../shared/operate/views/runs.ts";
import { statusWord } from "../text/status-words.ts";

/** Which runs a list shows. */
export interface RunsListed extends Pick<RunsWanted, "which" | "module" | "status" | "source"> {
  /** As the flags of these names have them. */
  readonly exitCode?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** So many of them at most. */
  readonly most: number;
}

/** Writes the command that does something to all runs that a list has, such as `["runs", "cancel"]`. */
export function forAll(
  { which, module, status, source, exitCode, since, until, most }: RunsListed,
  words: readonly string[],
  how: Parameters<typeof commandText>[1],
): string {
  const flags = [
    ...(which === "closed" ? ["--closed"] : []),
    ...flag("module", module),
    ...flag("status", status && statusWord(status)),
    ...flag("source", source),
    ...flag("exit-code", exitCode),
    ...flag("since", since),
    ...flag("until", until),
  ];
  const list = commandText(["runs", "ls", ...flags, `--limit=${most}`, "--output=name"]);
  return `${list} | xargs -r ${commandText(words, how)}`;
}
