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

/** Says in short how many letters were left, and why; - if none was. */
export function leftText(left: Readonly<Partial<Record<LetterHindrance, number>>>): string {
  const parts = Object.entries(left).map(([hindrance, count]) => `${count} ${hindrance}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}
