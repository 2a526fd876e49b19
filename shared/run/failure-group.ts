import { createHash } from "node:crypto";
import { stripVTControlCharacters } from "node:util";
import type { Reason } from "./reasons.ts";

/** What messages have in common that failed in the same way. */
export interface FailureGroup {
  /** 12 hex digits, the same for the same group in every process. */
  readonly id: string;
  /**
   * The last words of the work, with `#` in place of each number and id. It has at most 200 characters, all of them
   * printable, and may be empty.
   */
  readonly text: string;
}

/** What a message failed with. */
interface Failure {
  readonly module: string;
  readonly reason: Reason;
  readonly exitCode?: number | undefined;
  /** How the last attempt ended, with the last line of its log. */
  readonly detail: string;
}

/** The most characters of last words, and so of a group's text. What differs only behind them is one group. */
const MOST_CHARACTERS = 200;

/**
 * Says which failures are alike: those of one module with the same reason, exit code and last words. Numbers, hex and ids
 * don't count, because nearly every message has its own.
 */
export function failureGroup({ module, reason, exitCode, detail }: Failure): FailureGroup {
  const text = withoutIds(detail);
  const identity = JSON.stringify([module, reason, exitCode ?? null, text]);
  return { id: createHash("sha256").update(identity).digest("hex").slice(0, 12), text };
}

/**
 * Gives the last words of one message's work, with its numbers and ids. They have at most 200 characters, all of them
 * printable, and may be empty.
 */
export function lastWords(detail: string): string {
  return printable(stripVTControlCharacters(detail));
}

const UUID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/gi;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** A word that is a number or an id: it has a digit, or looks like hex. */
const ID = /\p{N}|^[a-f]{8,}$/iu;
/** Numbers and ids that punctuation joins to one, such as a time, a version or an address. */
const JOINED_IDS = /#(?:[-_.:,/+]*#)+/g;
const UNPRINTABLE = /[\p{C}\p{Z}]+/gu;

function withoutIds(text: string): string {
  const plain = stripVTControlCharacters(text)
    .replace(UUID, "#")
    .replace(WORD, (word) => (ID.test(word) ? "#" : word))
    .replace(JOINED_IDS, "#");
  return printable(plain);
}

function printable(text: string): string {
  const plain = text.replace(UNPRINTABLE, " ").trim();
  return Array.from(plain.slice(0, 2 * MOST_CHARACTERS))
    .slice(0, MOST_CHARACTERS)
    .join("")
    .trim();
}
