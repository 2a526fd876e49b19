import { plainText } from "../../cli/text/plain-text.ts";
import { html } from "../html.ts";

/** Shows text from outside as one line, with what does not show written out. */
export function Plain({ text, mono = false }: { readonly text: string; readonly mono?: boolean }) {
  return html`<bdi class=${mono ? "mono" : undefined}>${plainText(text)}</bdi>`;
}

/** The same for text of many lines, such as a log. */
export function plainLines(text: string): string {
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => plainText(line.replace(/\r$/, "")))
    .join("\n");
}
