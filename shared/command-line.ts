import { parseArgs } from "node:util";

/** The version in package.json: `build.js` puts it here. */
declare const PACKAGE_VERSION: string;

/** A flag, as `parseArgs` takes it, with what the usage says about it. */
interface Flag {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  readonly short?: string;
  readonly default?: string | boolean | string[];
  /** Stands for its value in the usage, such as FILE. */
  readonly value?: string;
  readonly says: string;
}

export type Flags = Readonly<Record<string, Flag>>;

/** A program, as its user sees it. */
export interface Command<F extends Flags = Flags> {
  /** How it is started, one way a line: `npm run send -- --source NAME [FLAGS] FILE`. */
  readonly usage: string;
  /** What it does, in one sentence. */
  readonly does: string;
  /** What it takes besides flags, and what that means. A command without any refuses every such word. */
  readonly words?: Readonly<Record<string, string>>;
  readonly flags: F;
  /** More that its user has to know, below the flags. */
  readonly notes?: string;
}

const STANDARD = {
  help: { type: "boolean", short: "h", says: "print this, and end" },
  version: { type: "boolean", says: "print the version, and end" },
} as const satisfies Flags;

const WIDTH = 100;

/**
 * What `read` makes of this process's arguments. `--help` and `--version` are answered on stdout, and end the process with 0. If `read` throws,
 * the process says why on stderr, says how to see the flags, and ends with 2.
 */
export function readCommandLine<T>(command: Command, read: (args: readonly string[]) => T): T {
  const args = process.argv.slice(2);
  const asked = tokensOf(command, args).find(({ name }) => name !== undefined && Object.hasOwn(STANDARD, name));
  if (asked !== undefined) {
    process.stdout.write(asked.name === "help" ? usageText(command) : `${PACKAGE_VERSION}\n`);
    process.exit(0);
  }
  try {
    return read(args);
  } catch (error) {
    return refuse(command, error);
  }
}

/** Says what is wrong with the arguments, and how to see the flags, and ends the process with 2. */
export function refuse({ usage }: Command, error: unknown): never {
  const problem = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${problem}\n${callsText(usage)}\nAdd --help to see what each flag means.\n`);
  process.exit(2);
}

/** The values of the flags, and the other words. Throws an Error that says in one sentence which argument is wrong. */
export function parseFlags<const F extends Flags>(command: Command<F>, args: readonly string[]) {
  const problem = tokensOf(command, args)
    .map((token) => problemWith(token, command))
    .find((found) => found !== undefined);
  if (problem !== undefined) throw new Error(problem);
  return parseArgs({ args: [...args], options: command.flags, allowPositionals: true });
}

/** An argument: a flag with its value, or a word. */
interface Token {
  /** The flag's name, without hyphens; undefined for a word. */
  readonly name?: string;
  /** The flag as it was written. */
  readonly rawName?: string;
  readonly value?: string | undefined;
  /** Whether the value was written after `=`. */
  readonly inlineValue?: boolean | undefined;
}

function tokensOf({ flags }: Command, args: readonly string[]): Token[] {
  const options = { ...flags, ...STANDARD };
  const found = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  // The third kind is the `--` behind which everything is a word.
  return found.tokens.flatMap((token) => (token.kind === "option-terminator" ? [] : [token]));
}

/** `parseArgs` would refuse the same arguments, but in words that only its own documentation explains. */
function problemWith({ name, rawName, value, inlineValue }: Token, { flags, words }: Command): string | undefined {
  if (name === undefined)
    return words === undefined ? `"${value}" is not a flag, and this command takes only flags` : undefined;
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag === undefined) return `${rawName} is not a flag of this command`;
  if (flag.type === "boolean") return value === undefined ? undefined : `${rawName} takes no value`;
  if (value === undefined) return `${rawName} needs a value`;
  const looksLikeFlag = inlineValue === false && value.length > 1 && value.startsWith("-");
  return looksLikeFlag ? `${rawName} needs a value; write ${rawName}=${value} if ${value} is meant as one` : undefined;
}

function usageText({ usage, does, words = {}, flags, notes }: Command): string {
  const rows = [
    ...Object.entries(words),
    ...Object.entries({ ...flags, ...STANDARD }).map(([name, flag]): [string, string] => [
      nameText(name, flag),
      flag.says + defaultText(flag),
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 4;
  const lines = rows.map(([name, says]) => `  ${name}`.padEnd(width) + wrapped(says, width));
  const parts = [callsText(usage), wrapped(does), lines.join("\n"), ...(notes === undefined ? [] : [wrapped(notes)])];
  return `${parts.join("\n\n")}\n`;
}

function callsText(usage: string): string {
  return `usage: ${usage.replaceAll("\n", "\n       ")}`;
}

function nameText(name: string, { short, value }: Flag): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

function defaultText({ default: value }: Flag): string {
  return typeof value === "string" && value !== "" ? ` (${value})` : "";
}

/** The text in lines of at most 100 columns, of which all but the first are indented. A line break in it stays. */
function wrapped(text: string, indent = 0): string {
  const room = new RegExp(`(.{1,${WIDTH - indent}})(?: +|$)`, "gm");
  return text
    .replaceAll(room, "$1\n")
    .replaceAll(/\n+/g, "\n")
    .trimEnd()
    .replaceAll("\n", `\n${" ".repeat(indent)}`);
}
