import { useEffect, useState } from "preact/hooks";
import { withQuery } from "./api.ts";
import { type Children, html } from "./html.ts";

// Every view has an address of its own below this one, with its filters in the query.

const BASE = "/api/ui";

/** Where the page is: the path below its base, and the query. */
export interface Place {
  /** Decoded, such as `["runs", "thumbnails:42:1732400000000"]`. */
  readonly steps: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

const listeners = new Set<() => void>();
addEventListener("popstate", () => moved());

function moved(): void {
  for (const listener of listeners) listener();
}

function place(): Place {
  const steps = location.pathname.slice(BASE.length).split("/").filter(Boolean).map(decoded);
  return { steps, query: Object.fromEntries(new URLSearchParams(location.search)) };
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

/** The place, which the view follows. */
export function usePlace(): Place {
  const [now, setNow] = useState(place);
  useEffect(() => {
    const listener = () => setNow(place());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return now;
}

/** Writes the address of a view. */
export function addressOf(
  steps: readonly string[],
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  return withQuery(`${BASE}/${steps.map(encodeURIComponent).join("/")}`, query);
}

/** Goes to a view. `isSame`: it takes the place of this one in the history, because it is the same one. */
export function go(address: string, { isSame = false } = {}): void {
  if (isSame) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  moved();
  if (isSame) return;
  scrollTo(0, 0);
  // A person may type the next search already.
  requestAnimationFrame(() => document.activeElement?.matches("#search") || focusTitle());
}

/** Has a reader hear the view's title, and the next Tab go on from there. */
export function focusTitle(): void {
  document.querySelector<HTMLElement>("h1")?.focus();
}

interface LinkProps {
  readonly to: string;
  readonly children: Children;
  readonly [attribute: string]: unknown;
}

/** A link to a view. With a modifier key, the browser does what it does with any link. */
export function Link({ to, children, ...attributes }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    go(to);
  };
  return html`<a href=${to} onClick=${follow} ...${attributes}>${children}</a>`;
}
