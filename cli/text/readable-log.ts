import { z } from "zod";

const line = z.looseObject({ message: z.string() });

/** Writes a line of the log for people: the message, and then its facts. */
export function readable(json: string): string {
  const { message, ...facts } = line.parse(JSON.parse(json));
  const words = Object.entries(facts).map(
    ([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return words.length === 0 ? message : `${message} (${words.join(", ")})`;
}
