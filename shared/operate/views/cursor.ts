import { WrongQueryError } from "../../errors.ts";

/** Writes where the next page of a list begins. Only the list that has named the place reads its parts. */
export function writeCursor(...parts: readonly (string | number | null)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** Reads the parts of a place. Throws a WrongQueryError if it is none that a page has named. */
export function readCursor(cursor: string): readonly unknown[] {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    parts = undefined;
  }
  if (!Array.isArray(parts)) throw neverNamed();
  return parts;
}

/** Says that a place is none that a page has named. */
export function neverNamed(): WrongQueryError {
  return new WrongQueryError("no page has named this place as its next");
}
