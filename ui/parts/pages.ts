import { addressOf, Link, type Place } from "../address.ts";
import { type Children, html } from "../html.ts";

interface PagesProps {
  readonly place: Place;
  /** Where the next page begins; undefined after the last one. */
  readonly next: string | undefined;
  /** What the address calls the beginning of a page. */
  readonly name?: "after" | "from";
  readonly children?: Children;
}

/** The links from page to page of a list, and what there is to say of this one. */
export function Pages({ place: { steps, query }, next, name = "after", children }: PagesProps) {
  return html`
    <nav class="pages" aria-label="Pages">
      ${query[name] !== undefined && html`<${Link} to=${addressOf(steps, { ...query, [name]: undefined })}>First page<//>`}
      ${next !== undefined && html`<${Link} to=${addressOf(steps, { ...query, [name]: next })}>Next page<//>`}
      ${children}
    </nav>
  `;
}
