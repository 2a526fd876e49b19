import { html } from "htm/preact";
import type { ComponentChildren } from "preact";

/** Writes elements as templates. Text in them is always text: nothing in this page parses markup. */
export { html };

/** Whatever a component may have inside. */
export type Children = ComponentChildren;

/** What a person typed or chose in the field of an event. */
export function valueIn({ currentTarget: field }: Event): string {
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value : "";
}
