import { useState } from "preact/hooks";
import { whyText } from "../../cli/runs/ls.ts";
import type { RunListed } from "../../shared/operate/views/listed.ts";
import { attemptsHad, CLOSED_STATUSES, OPEN_STATUSES } from "../../shared/run/run.ts";
import { addressOf, Link, type Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { cancel } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton } from "../parts/action.ts";
import { StatusChip } from "../parts/chip.ts";
import { type Filter, Filters } from "../parts/filters.ts";
import { RunName } from "../parts/run-name.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age, now } from "../time.ts";
import { useData } from "../use-data.ts";

type Row = RunListed;
interface RunsPage {
  readonly runs: readonly Row[];
  readonly scanned: number;
  readonly next?: string;
}

const FILTERS: readonly Filter[] = [
  {
    name: "which",
    label: "Runs",
    choices: [
      ["", "open"],
      ["closed", "over"],
    ],
  },
  { name: "module", label: "Module" },
  {
    name: "status",
    label: "Status",
    choices: [["", "any"], ...[...OPEN_STATUSES, ...CLOSED_STATUSES].map((status) => [status, status] as const)],
  },
  { name: "source", label: "Source" },
  {
    name: "hours",
    label: "Enqueued",
    choices: [
      ["", "at any time"],
      ["1", "in the last hour"],
      ["24", "in the last day"],
      ["168", "in the last 7 days"],
      ["720", "in the last 30 days"],
    ],
  },
];

/** Runs, open or over, page by page. */
export function RunsView({ place }: { readonly place: Place }) {
  const { hours, which, status = "", ...query } = place.query;
  const wanted = { ...query, which: whichFor(which, status), status };
  const path = withQuery("/runs", { ...wanted, since: sinceOf(hours), limit: 100 });
  // Pages behind the first stay as they are, because they would move while somebody reads them.
  const loaded = useData<RunsPage>(path, query["from"] === undefined ? 4_000 : undefined);
  const [selected, select] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string) =>
    select((last) => {
      const next = new Set(last);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const chosen = (loaded.data?.runs ?? []).filter(({ id }) => selected.has(id)).map(({ id }) => id);
  const deeds = chosen.length > 0 && html`<${ActionButton} deed=${cancel(chosen)} onDone=${loaded.again} />`;
  return html`
    <${View} title="Runs" aside=${deeds}>
      <${Filters} place=${place} filters=${FILTERS} />
      <${Ready} loaded=${loaded} show=${(page: RunsPage) => shown(page, place, selected, toggle)} />
    <//>
  `;
}

/** A status of runs that are over says so by itself. */
function whichFor(which: string | undefined, status: string): string | undefined {
  if (status === "") return which;
  return CLOSED_STATUSES.some((closed) => closed === status) ? "closed" : "open";
}

/** By the hour, so that the address of the list stays the same while it is looked at. */
function sinceOf(hours: string | undefined): number | undefined {
  const HOUR_MS = 3_600_000;
  return hours === undefined ? undefined : (Math.floor(now() / HOUR_MS) - Number(hours)) * HOUR_MS;
}

function shown(page: RunsPage, place: Place, selected: ReadonlySet<string>, toggle: (id: string) => void) {
  const { runs, scanned, next } = page;
  return html`
    ${
      runs.length === 0
        ? html`<${Nothing}>${next === undefined ? "There are no such runs." : `None among the first ${scanned} rows.`}<//>`
        : html`<${Table} caption="Runs" columns=${COLUMNS} rows=${runs} name=${({ id }: Row) => id} selected=${selected} onSelect=${toggle} />`
    }
    <nav class="pages" aria-label="Pages">
      ${place.query["from"] !== undefined && html`<${Link} to=${addressOf(place.steps, { ...place.query, from: undefined })}>First page<//>`}
      ${next !== undefined && html`<${Link} to=${addressOf(place.steps, { ...place.query, from: next })}>Next page<//>`}
      <span class="hint">${runs.length} shown${scanned > runs.length && `, ${scanned} rows read`}</span>
    </nav>
  `;
}

function why(text: string) {
  return text === "" ? html`<span class="none">–</span>` : html`<${Plain} text=${text} />`;
}

const COLUMNS: readonly Column<Row>[] = [
  { head: "Run", show: (run) => html`<${RunName} ...${run} />` },
  { head: "Status", show: ({ status }) => html`<${StatusChip} status=${status} />` },
  { head: "Module", show: ({ module }) => html`<${Plain} text=${module || "–"} />` },
  { head: "Try", show: (run) => ("closedAt" in run ? attemptsHad(run) : run.attempt), isNumber: true },
  { head: "Age", show: ({ enqueuedAt }) => html`<${Age} at=${enqueuedAt} />`, isNumber: true },
  { head: "Why", show: (run) => why(whyText(run, now())), isWide: true },
];
