import { addressOf, go, type Place } from "../address.ts";
import { html, valueIn } from "../html.ts";

/** A filter of a list. It is in the address, so that the list can be opened and kept. */
export interface Filter {
  readonly name: string;
  readonly label: string;
  /** Those among which a person chooses, the first one being none; without them, a person types. */
  readonly choices?: readonly (readonly [value: string, words: string])[];
}

/** The filters of a list. A change goes to the address of the list that it chooses. */
export function Filters({ place, filters }: { readonly place: Place; readonly filters: readonly Filter[] }) {
  const set = (name: string) => (event: Event) => {
    const value = valueIn(event);
    // The page was one of another list.
    const { from: _, after: __, ...query } = place.query;
    go(addressOf(place.steps, { ...query, [name]: value.trim() }), { isSame: true });
  };
  return html`
    <form class="filters" role="search" aria-label="Filters" onSubmit=${(event: Event) => event.preventDefault()}>
      ${filters.map(
        ({ name, label, choices }) => html`
          <label key=${name}>
            ${label}
            ${
              choices
                ? html`<select onChange=${set(name)}>${choices.map(([value, words]) => html`<option value=${value} selected=${value === (place.query[name] ?? "")}>${words}</option>`)}</select>`
                : html`<input value=${place.query[name] ?? ""} onChange=${set(name)} spellcheck=${false} />`
            }
          </label>
        `,
      )}
    </form>
  `;
}
