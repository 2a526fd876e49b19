import { type Children, html } from "../html.ts";
import { Plain } from "./text.ts";

/** A thing that is known: text is from outside, and shown as it is. */
export type Fact = readonly [name: string, value: Children];

/** What is known of one thing, a line each. What has no value is left out. */
export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  return html`
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          value !== undefined &&
          value !== false &&
          value !== "" &&
          html`<div><dt><${Plain} text=${name} /></dt><dd>${typeof value === "string" ? html`<${Plain} text=${value} />` : value}</dd></div>`,
      )}
    </dl>
  `;
}
