import type { Found, SecretSearch } from "../../local/kit/secret-search.ts";
import type { Finding } from "./audit.ts";

/** Looks through lines as they come, and keeps of all those with a secret the first and how many there were. */
export class LeakyLines {
  readonly #search: SecretSearch;
  /** By who wrote them, and what they hold. */
  readonly #leaks = new Map<string, { readonly who: string; readonly first: Found; count: number }>();

  constructor(search: SecretSearch) {
    this.#search = search;
  }

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
      verdict: "leak",
      about: who,
      what: `${count} of its lines hold ${names.join(" and ")}, such as: ${excerpt}`,
    }));
  }
}
