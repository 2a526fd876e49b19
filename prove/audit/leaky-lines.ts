import type { Found, SecretSearch } from "../../local/kit/secret-search.ts";
import type { Finding } from "./audit.ts";

/**
 * Searches lines for secrets as they come. For each writer and secret, it keeps the first such line and counts the
 * others.
 */
export class LeakyLines {
  readonly #search: SecretSearch;
  /** The leaks so far, by their writer and what they hold. */
  readonly #leaks = new Map<string, { readonly who: string; readonly first: Found; count: number }>();

  constructor(search: SecretSearch) {
    this.#search = search;
  }

  /** Takes one line. */
  note(who: string, line: string): void {
    const first = this.#search.find(line);
    if (first === undefined) return;
    const key = [who, ...first.names].join("|");
    const leak = this.#leaks.get(key) ?? { who, first, count: 0 };
    leak.count += 1;
    this.#leaks.set(key, leak);
  }

  get findings(): Finding[] {
    return [...this.#leaks.values()].map(({ who, first: { names, excerpt }, count }) => ({
      kind: "leak",
      about: who,
      what: `${count} of its lines hold ${names.join(" and ")}, such as: ${excerpt}`,
    }));
  }
}
