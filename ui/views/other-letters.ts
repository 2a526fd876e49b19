import { canRunText } from "../../cli/dead/hindrances.ts";
import { commandText } from "../../shared/api/command-text.ts";
import type { OtherLetter, OtherLetterShown } from "../../shared/operate/views/other-letters.ts";
import type { Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { naming, redrive } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton } from "../parts/action.ts";
import { CommandLine } from "../parts/command.ts";
import { type Fact, Facts } from "../parts/facts.ts";
import { Pages } from "../parts/pages.ts";
import { RunName } from "../parts/run-name.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age } from "../time.ts";
import { useData } from "../use-data.ts";
import { Sent } from "./sent.ts";

type Row = OtherLetter & { readonly id: string };
interface OthersPage {
  readonly letters: readonly Row[];
  readonly scanned: number;
  readonly next?: string;
}

/** Dead letters that no run left. They are looked for on the bus itself, and so only once. */
export function OtherLettersView({ place }: { readonly place: Place }) {
  const loaded = useData<OthersPage>(withQuery("/other-letters", { after: place.query["after"], limit: 100 }));
  return html`
    <${View} title="Dead letters of others">
      <p class="hint">No run of this Dispatcher left them: the bus, a sender or another program did.</p>
      <${Ready}
        loaded=${loaded}
        show=${({ letters, scanned, next }: OthersPage) => html`
          ${letters.length === 0 ? html`<${Nothing}>There are none among ${scanned} dead letters.<//>` : html`<${Table} caption="Dead letters of others" columns=${COLUMNS} rows=${letters} name=${({ id }: Row) => id} />`}
          <${Pages} place=${place} next=${next} />
        `}
      />
      <${CommandLine} command="dispatcher dead others" />
    <//>
  `;
}

const COLUMNS: readonly Column<Row>[] = [
  {
    head: "Letter",
    show: (letter) => html`<${RunName} ...${letter} below=${["dead-letters", "others"]} />`,
  },
  { head: "Reason", show: ({ reason = "–" }) => html`<${Plain} text=${reason} mono />` },
  { head: "Module", show: ({ module }) => html`<${Plain} text=${module || "–"} />` },
  { head: "Sent", show: ({ enqueuedAt }) => html`<${Age} at=${enqueuedAt} ago />`, isNumber: true, isTime: true },
  { head: "Can run", show: (letter) => html`<${Plain} text=${canRunText(letter)} />`, isWide: true },
];

/** One such letter. */
export function OtherLetterView({ id }: { readonly id: string }) {
  const path = `/other-letters/${encodeURIComponent(id)}`;
  const loaded = useData<OtherLetterShown>(path);
  const letter = loaded.data?.letter;
  const deed =
    letter &&
    letter.hindrance === undefined &&
    html`<${ActionButton} deed=${naming(redrive({ runs: [id] }), [{ ...letter, id }])} />`;
  return html`
    <${View} title=${id} aside=${deed}>
      <${Ready} loaded=${loaded} show=${factsShown} />
      <${Sent} path=${letter && `${path}/content`} />
      <${CommandLine} command=${commandText(["dead", "show", id])} />
    <//>
  `;
}

function factsShown({ letter, onBus }: OtherLetterShown) {
  const facts: readonly Fact[] = [
    ["Reason", letter.reason],
    ["Description", letter.description],
    ["Message id", letter.messageId],
    ["Subject", letter.subject],
    ["Module", letter.module],
    ["Can run", canRunText(letter)],
    ["On the bus", `${onBus.state}, ${onBus.bodyBytes} bytes`],
    ["Sent", html`<${Age} at=${letter.enqueuedAt} ago />`],
  ];
  return html`
    <section aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <${Facts} facts=${facts} />
    </section>
  `;
}
