import type { OtherLetter } from "../../shared/operate/views/other-letters.ts";
import type { LetterHindrance } from "../../shared/run/redrive.ts";

/** Why letters are not redriven, as a person reads it. */
export const HINDRANCES: Readonly<Record<LetterHindrance, string>> = {
  "at work": "are at work already",
  "work done": "expired after their work had succeeded",
  "newer release": "belong to runs of a newer release",
  "another instance": "were deferred by another instance",
  "no module": "are taken by no module",
  schema: "are rejected by their module's schema",
};

/** Why one letter can't be redriven, as a person reads it. */
const WHY_NOT: Readonly<Record<LetterHindrance, string>> = {
  "at work": "it is at work already",
  "work done": "it expired after its work had succeeded",
  "newer release": "it belongs to a run of a newer release",
  "another instance": "another instance deferred it",
  "no module": "no module takes it",
  schema: "its module's schema rejects it",
};

/** Says whether a letter can be redriven, or why not. */
export function canRunText({ hindrance, problem }: Pick<OtherLetter, "hindrance" | "problem">): string {
  if (hindrance === undefined) return "yes";
  return hindrance === "schema" && problem !== undefined ? `no: ${problem}` : `no: ${WHY_NOT[hindrance]}`;
}

/** Says in short how many letters were left, and why; - if none was. */
export function leftText(left: Readonly<Partial<Record<LetterHindrance, number>>>): string {
  const parts = Object.entries(left).map(([hindrance, count]) => `${count} ${hindrance}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}

/** Says that letters which are not wanted lie in front, and what becomes of them. */
export function inFrontText(count: number): string {
  return count === 1
    ? "1 other in front of them stays where it is, and is only locked meanwhile"
    : `${count} others in front of them stay where they are, and are only locked meanwhile`;
}
