import { bodyText } from "../../shared/operate/views/body-text.ts";
import type { LetterOnBus } from "../../shared/operate/views/dead-letters.ts";
import { plainJson, plainText } from "../text/plain-text.ts";
import { terminalLines } from "../text/table.ts";
import { lengthText, timeText } from "../text/times.ts";

/** What is known of a dead letter, under its name. Without a value it is left out. */
export type Fact = readonly [name: string, value: string | undefined];

/** Writes facts for a terminal, one below the other. */
export function factLines(facts: readonly Fact[]): string[] {
  const widest = Math.max(...facts.map(([name]) => name.length));
  return facts.flatMap(([name, value]) =>
    value === undefined
      ? []
      : terminalLines(plainText(value), widest + 2).map(
          (line, index) => `${(index === 0 ? name : "").padEnd(widest)}  ${line}`,
        ),
  );
}

export function timeAndAgo(at: number, now: number): string {
  return `${timeText(at)} (${lengthText(now - at)} ago)`;
}

export function stateText({ state, bodyBytes }: LetterOnBus): string {
  return `${state}, with a body of ${bodyBytes} bytes`;
}

/** Properties and body, if they were asked for. */
export function contentOf({ content }: LetterOnBus): Fact[] {
  if (!content) return [];
  const { body, encoding } = bodyText(content.body);
  return [
    ["properties", plainJson(content.properties)],
    [encoding === "utf8" ? "body" : "body (base64)", body],
  ];
}

/** Writes the body as text if it is text, and otherwise as base64. */
export function readable(letter: LetterOnBus): object {
  return letter.content ? { ...letter, content: { ...letter.content, ...bodyText(letter.content.body) } } : letter;
}
