import { stripVTControlCharacters } from "node:util";

/**
 * Makes a line of the app's log readable: time, level unless it is plain information, function, message, and its facts.
 * Lines of other forms (stacks, other parts) stay as they are, with the name of their part before them.
 */
export function readable(part: string, line: string): string {
  const text = stripVTControlCharacters(line);
  const [, time, level, who, rest] = /^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{3})Z (\w+) (\S+) (.*)$/.exec(text) ?? [];
  if (time === undefined || level === undefined || who === undefined || rest === undefined)
    return text.startsWith(`${part}: `) ? text : `${part}: ${sentence(text)}`;
  const urgency = level === "information" ? "" : `${level.toUpperCase()} `;
  return `${time} ${urgency}${who}: ${sentence(rest)}`;
}

/** Whether the line is a warning or an error of the app or its host. */
export function isWarning(line: string): boolean {
  return /^\S+Z (warning|error|critical) /.test(line);
}

/** The counts of a tick that are all zero if the tick found nothing to do. */
const COUNTS = ["open", "orphans", "lost", "failed", "overdue"];

/** Whether a line tells a watching person nothing, because it is a tick that found nothing to do. */
export function isIdle(line: string): boolean {
  const json = /^\S+ information \S+ (\{.*\})$/.exec(line)?.[1];
  const facts = json === undefined ? undefined : objectOf(json);
  return facts?.["message"] === "reconciled" && COUNTS.every((count) => !facts[count]);
}

function sentence(text: string): string {
  const facts = objectOf(text);
  if (typeof facts?.["message"] !== "string") return text;
  const { message, ...others } = facts;
  // Leaves out counts that are zero and objects that are empty, which say nothing, and the only instance.
  const shown = Object.entries(others)
    .filter(([name, value]) => name !== "instance" && value !== 0 && JSON.stringify(value) !== "{}")
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [message, ...shown].join("  ");
}

function objectOf(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
