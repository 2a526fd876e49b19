import { errorText, UnavailableError } from "../../errors.ts";

/**
 * What was asked of one server, which may be away while the others answer: what is there, `null` if there is nothing, or
 * why it could not be asked, in the server's own words.
 */
export type Sought<T> = { readonly found: T | null } | { readonly unavailable: string };

/** Waits for an answer. Rejects only for errors that are no outage. */
export async function sought<T>(asked: Promise<T | undefined>): Promise<Sought<T>> {
  try {
    return { found: (await asked) ?? null };
  } catch (error) {
    if (error instanceof UnavailableError) return { unavailable: errorText(error) };
    throw error;
  }
}

/** Makes something else of what is there. */
export function mapFound<From, To>(asked: Sought<From>, make: (found: From) => To | null): Sought<To> {
  return "unavailable" in asked ? asked : { found: asked.found === null ? null : make(asked.found) };
}
