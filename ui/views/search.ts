import { useEffect } from "preact/hooks";
import type { RunFound, SearchPage } from "../../shared/operate/views/find-runs.ts";
import { meantOf } from "../../shared/run/dead-letter.ts";
import { byAge } from "../../shared/run/run.ts";
import { addressOf, go, Link, type Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { html } from "../html.ts";
import { StatusChip } from "../parts/chip.ts";
import { Pages } from "../parts/pages.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age } from "../time.ts";
import { useData } from "../use-data.ts";

/** The runs that an id may mean, page by page. If one is meant, the page goes there. */
export function SearchView({ place }: { readonly place: Place }) {
  const { id = "", after } = place.query;
  const loaded = useData<SearchPage>(id === "" ? undefined : withQuery("/search", { id, after }));
  const { runs = [], next } = loaded.data ?? {};
  // Since the answer before, a letter may have been redriven.
  const only = loaded.isOld || after !== undefined || next !== undefined ? undefined : meantOf(runs)?.id;
  useEffect(() => {
    if (only !== undefined) go(addressOf(["runs", only]), { isSame: true });
  }, [only]);
  return html`
    <${View} title=${`Search: ${id}`}>
      <${Ready} loaded=${loaded} show=${(page: SearchPage) => shown(page, place)} />
    <//>
  `;
}

function shown({ by, runs, next }: SearchPage, place: Place) {
  if (runs.length === 0)
    return html`<${Nothing}>No run has this id, and no message of a run has it as its id or correlation id. Give the whole id.<//>`;
  const isWhole = next === undefined && place.query["after"] === undefined;
  const rows = isWhole ? runs.toSorted((a, b) => byAge(b, a)) : runs;
  return html`
    <p>${isWhole ? `${runs.length} runs have this ${by}.` : `Many runs have this ${by}. They come source by source, the oldest first.`}</p>
    <${Table} caption="Runs that were found" columns=${COLUMNS} rows=${rows} name=${({ id }: RunFound) => id} />
    <${Pages} place=${place} next=${next} />
  `;
}

const COLUMNS: readonly Column<RunFound>[] = [
  { head: "Run", show: ({ id }) => html`<${Link} to=${addressOf(["runs", id])}><${Plain} text=${id} mono /><//>` },
  { head: "Module", show: ({ module }) => html`<${Plain} text=${module || "–"} />` },
  { head: "Status", show: ({ status }) => (status ? html`<${StatusChip} status=${status} />` : "–") },
  { head: "Message id", show: ({ messageId }) => html`<${Plain} text=${messageId || "–"} mono />`, isWide: true },
  { head: "Enqueued", show: ({ enqueuedAt }) => html`<${Age} at=${enqueuedAt} ago />`, isNumber: true, isTime: true },
];
