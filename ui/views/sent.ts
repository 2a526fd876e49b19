import { useState } from "preact/hooks";
import { html } from "../html.ts";
import { type Fact, Facts } from "../parts/facts.ts";
import { Plain, plainLines } from "../parts/text.ts";
import { Ready } from "../parts/view.ts";
import { useSession } from "../session.ts";
import { useData } from "../use-data.ts";

type Content =
  | { readonly unavailable: string }
  | {
      readonly found: {
        readonly body: string;
        readonly encoding: "utf8" | "base64";
        readonly isCut: boolean;
        readonly bodyBytes: number;
        readonly contentType?: string;
        readonly properties: Readonly<Record<string, unknown>>;
      } | null;
    };

/** Body and properties, which are fetched from this path only when a person asks for them. Nothing without a path. */
export function Sent({ path }: { readonly path: string | undefined }) {
  const { role } = useSession();
  const [isAsked, ask] = useState(false);
  const loaded = useData<Content>(isAsked ? path : undefined);
  if (path === undefined) return null;
  return html`
    <section aria-labelledby="sent">
      <h2 id="sent">What was sent</h2>
      ${
        isAsked
          ? html`<${Ready} loaded=${loaded} show=${contentShown} />`
          : role !== "viewer"
            ? html`<button type="button" onClick=${() => ask(true)}>Show body and properties</button>`
            : html`<p class="nothing">Body and properties take the role of an operator.</p>`
      }
    </section>
  `;
}

function contentShown(content: Content) {
  if ("unavailable" in content)
    return html`<p class="note bad">The bus can't be asked: <${Plain} text=${content.unavailable} /></p>`;
  if (content.found === null) return html`<p class="nothing">The message is not in its queue any more.</p>`;
  const { body, encoding, isCut, bodyBytes, contentType, properties } = content.found;
  const facts: readonly Fact[] = [
    ["Content type", contentType && html`<${Plain} text=${contentType} mono />`],
    ...Object.entries(properties).map(
      ([name, value]): Fact => [
        name,
        html`<${Plain} text=${typeof value === "string" ? value : JSON.stringify(value)} mono />`,
      ],
    ),
  ];
  return html`
    <${Facts} facts=${facts} />
    <figure class="log">
      <figcaption>Body, ${bodyBytes} bytes${encoding === "base64" && ", in base64"}${isCut && ", its beginning"}</figcaption>
      <pre tabindex="0" role="group" aria-label="Body">${plainLines(body)}</pre>
    </figure>
  `;
}
