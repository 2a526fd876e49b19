import { useEffect, useState } from "preact/hooks";
import { addressOf, go, type Place } from "../address.ts";
import { html, valueIn } from "../html.ts";

/** A filter of a list. It is in the address, so that the list can be opened and kept. */
export interface Filter {
  readonly name: string;
  readonly label: string;
  /** Those among which a person chooses, the first one being none; without them, a person types. */
  readonly choices?: readonly (readonly [value: string, words: string])[];
  /** What is offered to a person who types. */
  readonly offers?: readonly string[];
  /** The name of a filter that says nothing any more once this one changes. */
  readonly clears?: string;
}

/** A person who types for so long has ended a word. */
const TYPED_MS = 600;

/** The filters of a list. A change goes to the address of the list that it chooses. */
export function Filters({ place, filters }: { readonly place: Place; readonly filters: readonly Filter[] }) {
  const set = ({ name, clears }: Filter, value: string) => {
    // The page was one of another list.
    const { from: _, after: __, ...query } = place.query;
    const cleared = clears === undefined ? {} : { [clears]: "" };
    go(addressOf(place.steps, { ...query, ...cleared, [name]: value.trim() }), { isSame: true });
  };
  return html`
    <form class="filters" role="search" aria-label="Filters" onSubmit=${(event: Event) => event.preventDefault()}>
      ${filters.map((filter) => {
        const { name, label, choices, offers } = filter;
        const value = place.query[name] ?? "";
        const choose = (chosen: string) => set(filter, chosen);
        return html`
          <label key=${name}>
            ${label}
            ${
              choices
                ? html`<select onChange=${(event: Event) => choose(valueIn(event))}>${choices.map(([one, words]) => html`<option value=${one} selected=${one === value}>${words}</option>`)}</select>`
                : html`<${TypedFilter} name=${name} value=${value} offers=${offers} set=${choose} />`
            }
          </label>
        `;
      })}
    </form>
  `;
}

interface TypedProps {
  readonly name: string;
  readonly value: string;
  readonly offers?: readonly string[];
  readonly set: (value: string) => void;
}

/** A filter that a person types. It keeps what is typed while the list is read again, and holds once the person pauses. */
function TypedFilter({ name, value, offers = [], set }: TypedProps) {
  const [typed, type] = useState<string>();
  useEffect(() => {
    if (typed === undefined) return undefined;
    const timer = setTimeout(() => set(typed), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const end = () => {
    if (typed !== undefined) set(typed);
    type(undefined);
  };
  return html`
    <input
      value=${typed ?? value}
      list=${`offers-${name}`}
      onInput=${(event: Event) => type(valueIn(event))}
      onChange=${end}
      onBlur=${end}
      autocomplete="off"
      spellcheck=${false}
    />
    <datalist id=${`offers-${name}`}>${offers.map((offer) => html`<option value=${offer} />`)}</datalist>
  `;
}
