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
  /** What a person may type, for instance. */
  readonly example?: string;
  /** The names of the filters that say nothing any more once this one changes. */
  readonly clears?: readonly string[];
}

/** A span of time, as the flags of these names take it. `of`: what happened in it. `first`: when it begins by default. */
export const spanFilters = (of: string, first: string): readonly Filter[] => [
  { name: "since", label: `${of} since`, offers: ["1h", "24h", "today", "yesterday", "7d", "30d"], example: first },
  { name: "until", label: `${of} until`, example: "2026-01-31" },
];

/** A person who types for so long has ended a word. */
const TYPED_MS = 600;

/** The filters of a list. A change goes to the address of the list that it chooses. */
export function Filters({ place, filters }: { readonly place: Place; readonly filters: readonly Filter[] }) {
  const set = ({ name, clears = [] }: Filter, value: string) => {
    // The page was one of another list.
    const { from: _, after: __, ...query } = place.query;
    const cleared = Object.fromEntries(clears.map((other) => [other, ""]));
    go(addressOf(place.steps, { ...query, ...cleared, [name]: value.trim() }), { isSame: true });
  };
  return html`
    <form class="filters" role="search" aria-label="Filters" onSubmit=${(event: Event) => event.preventDefault()}>
      ${filters.map((filter) => {
        const { name, label, choices, offers, example } = filter;
        const value = place.query[name] ?? "";
        const choose = (chosen: string) => set(filter, chosen);
        return html`
          <label key=${name}>
            ${label}
            ${
              choices
                ? html`<select onChange=${(event: Event) => choose(valueIn(event))}>${choices.map(([one, words]) => html`<option value=${one} selected=${one === value}>${words}</option>`)}</select>`
                : html`<${TypedFilter} name=${name} value=${value} offers=${offers} example=${example} set=${choose} />`
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
  readonly example?: string;
  readonly set: (value: string) => void;
}

/** A filter that a person types. It keeps what is typed while the list is read again, and holds once the person pauses. */
function TypedFilter({ name, value, offers = [], example, set }: TypedProps) {
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
      placeholder=${example}
      autocomplete="off"
      spellcheck=${false}
    />
    <datalist id=${`offers-${name}`}>${offers.map((offer) => html`<option value=${offer} />`)}</datalist>
  `;
}
