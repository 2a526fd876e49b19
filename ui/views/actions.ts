import { whatText } from "../../cli/actions/actions.ts";
import type { ActionPage, ActionShown } from "../../shared/operate/views/actions.ts";
import { addressOf, Link, type Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { html } from "../html.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age } from "../time.ts";
import { useData } from "../use-data.ts";

/** Who did what by hand, and why, the newest first. */
export function ActionsView({ place }: { readonly place: Place }) {
  const { after } = place.query;
  const loaded = useData<ActionPage>(
    withQuery("/actions", { after, limit: 100 }),
    after === undefined ? 5_000 : undefined,
  );
  return html`<${View} title="Actions"><${Ready} loaded=${loaded} show=${(page: ActionPage) => shown(page, place)} /><//>`;
}

function shown({ actions, next }: ActionPage, place: Place) {
  if (actions.length === 0) return html`<${Nothing}>Nobody has done anything.<//>`;
  return html`
    <${Table} caption="Actions" columns=${COLUMNS} rows=${actions} name=${({ id }: ActionShown) => id} />
    <nav class="pages" aria-label="Pages">
      ${next !== undefined && html`<${Link} to=${addressOf(place.steps, { after: next })}>Older ones<//>`}
    </nav>
  `;
}

const COLUMNS: readonly Column<ActionShown>[] = [
  { head: "When", show: ({ at }) => html`<${Age} at=${at} ago />` },
  { head: "Who", show: ({ who }) => html`<${Plain} text=${who} />` },
  { head: "What", show: (action) => html`<${Plain} text=${whatText(action)} />` },
  { head: "To", show: ({ subject }) => html`<${Subject} name=${subject} />` },
  { head: "Why", show: ({ why }) => html`<${Plain} text=${why ?? "–"} />`, isWide: true },
];

/** Links what names a run. */
function Subject({ name }: { readonly name: string }) {
  const isRun = /:\d+:\d+/.test(name);
  const text = html`<${Plain} text=${name} mono />`;
  return isRun ? html`<${Link} to=${addressOf(["runs", name])}>${text}<//>` : text;
}
