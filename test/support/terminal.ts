import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ROOT } from "./run-program.ts";

export interface TerminalOptions {
  readonly columns: number;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What a person types. Nothing by default. */
  readonly typed?: string;
}

/**
 * Runs the built command in a real terminal of so many columns, which `script` of util-linux makes. Resolves to its exit
 * code, and to all that it wrote to the terminal, escape sequences included.
 */
export async function runInTerminal(args: readonly string[], { columns, env, cwd, typed }: TerminalOptions) {
  const words = [process.execPath, join(ROOT, "dist", "cli", "main.js"), ...args].map(quoted).join(" ");
  const child = spawn("script", ["-qec", `stty cols ${columns} rows 40; exec ${words}`, "/dev/null"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", TERM: "xterm-256color", ...env },
    stdio: [typed === undefined ? "ignore" : "pipe", "pipe", "inherit"],
  });
  child.stdin?.write(typed);
  let screen = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (screen += text));
  await once(child, "close");
  return { code: child.exitCode, screen: screen.replaceAll("\r\n", "\n") };
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
