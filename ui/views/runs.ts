import { useRef } from "preact/hooks";
import type { RunsListed } from "../../cli/runs/for-all.ts";
import { byEnd, whyText } from "../../cli/runs/ls.ts";
import { statusWord } from "../../cli/text/status-words.ts";
import type { RunListed } from "../../shared/operate/views/listed.ts";
import { attemptsHad, CLOSED_STATUSES, isRedrivable, OPEN_STATUSES } from "../../shared/run/run.ts";
import { addressOf, type Place } from "../address.ts";
import { ask, withQuery } from "../api.ts";
import { cancel, naming, redrive } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton, type Deed } from "../parts/action.ts";
import { StatusChip } from "../parts/chip.ts";
import { type Filter, Filters, spanFilters } from "../parts/filters.ts";
import { Pages } from "../parts/pages.ts";
import { RunName } from "../parts/run-name.ts";
import { type Selection, SelectionBar, useSelection } from "../parts/selection.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age, now } from "../time.ts";
import { useData, useModuleNames } from "../use-data.ts";

/** A run, and what its Job wrote last if it is at work. */
type Row = RunListed & { readonly lastLine?: string | undefined };
interface RunsPage {
  readonly runs: readonly RunListed[];
  readonly scanned: number;
  readonly next?: string;
}

/** Runs that are over have other statuses than open ones. */
const filtersFor = (which: "open" | "closed", modules: readonly string[]): readonly Filter[] => [
  {
    name: "which",
    clears: ["status", "exitCode"],
    label: "Runs",
    choices: [
      ["", "open"],
      ["closed", "over"],
    ],
  },
  { name: "module", label: "Module", offers: modules },
  {
    name: "status",
    label: "Status",
    choices: [
      ["", "any"],
      ...(which === "open" ? OPEN_STATUSES : CLOSED_STATUSES).map((status) => [status, statusWord(status)] as const),
    ],
  },
  { name: "source", label: "Source" },
  ...spanFilters("Enqueued", which === "closed" ? "24h" : "2h"),
  ...(which === "closed" ? [{ name: "exitCode", label: "Exit code" }] : []),
];

/** So many runs of a list are selected at most: a redrive names each of them, and takes no more. */
const MOST = { open: 10_000, closed: 500 } as const;

type Lines = Readonly<Record<string, string>>;

/** So many runs at work say what they wrote last, because each line takes two requests to the cluster. */
const MOST_LINES = 20;

/** What the first runs at work of a list wrote last, by their ids. */
function useLastLines(runs: readonly RunListed[]): Lines {
  const ids = runs
    .filter(isAtWork)
    .slice(0, MOST_LINES)
    .map(({ id }) => id);
  const { data } = useData<{ readonly lines: Lines }>(
    ids.length === 0 ? undefined : withQuery("/last-lines", { runs: ids.join(",") }),
    5_000,
  );
  // While others of them are asked for, what was answered last is better than nothing.
  const last = useRef<Lines>({});
  if (data) last.current = data.lines;
  return last.current;
}

function isAtWork({ status, dispatchedAt }: RunListed): boolean {
  return status === "dispatched" && dispatchedAt !== undefined;
}

/** Runs, open or over, page by page. */
export function RunsView({ place }: { readonly place: Place }) {
  const { which: asked, status = "", from, ...query } = place.query;
  const which = whichFor(asked, status, query["exitCode"]);
  const wanted = { ...query, which, status };
  // Pages behind the first stay as they are, because they would move while somebody reads them.
  const loaded = useData<RunsPage>(
    withQuery("/runs", { ...wanted, from, limit: 100 }),
    from === undefined ? 4_000 : undefined,
  );
  const { runs = [], next } = loaded.data ?? {};
  const lines = useLastLines(runs);
  const selection = useSelection(addressOf(place.steps, { ...place.query, from: undefined }), runs);
  const isMore = next !== undefined || from !== undefined;
  const read = async (after: string | undefined) => {
    const answered = await ask<RunsPage>(withQuery("/runs", { ...wanted, from: after, limit: 1_000 }));
    if ("problem" in answered) return answered;
    return "data" in answered ? { rows: answered.data.runs, next: answered.data.next } : { rows: [] };
  };
  const deed = deedFor(which, selection, { ...query, status });
  // A status says by itself whether its runs are over.
  const filtered = { ...place, query: { ...place.query, which: which === "closed" ? which : "" } };
  const modules = useModuleNames();
  return html`
    <${View} title="Runs">
      <${Filters} place=${filtered} filters=${filtersFor(which, modules)} />
      <${SelectionBar} selection=${selection} shown=${runs} mayAll=${isMore} read=${read} most=${MOST[which]}>
        ${deed && html`<${ActionButton} deed=${deed} onDone=${selection.clear} />`}
      <//>
      <${Ready} loaded=${loaded} show=${(page: RunsPage) => shown(page, place, { which, selection, lines })} />
    <//>
  `;
}

/** What may be done to the selected runs: open ones are cancelled, and failed ones run once more. */
function deedFor(
  which: "open" | "closed",
  { rows, isAll }: Selection<RunListed>,
  { status, ...filters }: Omit<RunsListed, "status" | "most"> & { readonly status: string },
): Deed | undefined {
  const known = [...OPEN_STATUSES, ...CLOSED_STATUSES].find((one) => one === status);
  const listed = isAll ? { ...filters, which, ...(known ? { status: known } : {}), most: rows.length } : undefined;
  const chosen = rows.filter((run) => which === "open" || isRedrivable(run, run.redriven));
  if (chosen.length === 0) return undefined;
  const runs = chosen.map(({ id }) => id);
  return naming(which === "open" ? cancel(runs, listed) : redrive({ runs }, listed), chosen);
}

/** A status of runs that are over says so by itself, and so does an exit code. */
function whichFor(which: string | undefined, status: string, exitCode: string | undefined): "open" | "closed" {
  if (status === "") return which === "closed" || exitCode ? "closed" : "open";
  return CLOSED_STATUSES.some((closed) => closed === status) ? "closed" : "open";
}

interface Listed {
  readonly which: "open" | "closed";
  readonly selection: Selection<RunListed>;
  readonly lines: Lines;
}

function shown({ runs, scanned, next }: RunsPage, place: Place, { which, selection, lines }: Listed) {
  const isWhole = next === undefined && place.query["from"] === undefined;
  const rows: readonly Row[] = (isWhole ? byEnd(runs) : runs).map((run) => ({
    ...run,
    lastLine: isAtWork(run) ? lines[run.id] : undefined,
  }));
  return html`
    ${
      runs.length === 0
        ? html`<${Nothing}>${next === undefined ? "There are no such runs." : `None among the first ${scanned} rows.`}<//>`
        : html`<${Table} caption="Runs" columns=${COLUMNS[which]} rows=${rows} name=${({ id }: Row) => id} selection=${selection} />`
    }
    <${Pages} place=${place} next=${next} name="from">
      <span class="hint">${runs.length} shown${scanned > runs.length && `, ${scanned} rows read`}</span>
    <//>
  `;
}

function why(run: Row) {
  const text = whyText(run, now());
  if (!isAtWork(run)) return text === "" ? html`<span class="none">–</span>` : html`<${Plain} text=${text} />`;
  return html`
    at work for <${Age} at=${run.dispatchedAt} />
    ${text !== "" && html`<div class="under"><${Plain} text=${text} mono=${run.lastLine === text} /></div>`}
  `;
}

const columnsWith = (time: Column<Row>): readonly Column<Row>[] => [
  { head: "Run", show: (run) => html`<${RunName} ...${run} />` },
  { head: "Status", show: ({ status }) => html`<${StatusChip} status=${status} />` },
  { head: "Module", show: ({ module }) => html`<${Plain} text=${module || "–"} />` },
  { head: "Try", show: (run) => ("closedAt" in run ? attemptsHad(run) : run.attempt), isNumber: true },
  { ...time, isNumber: true, isTime: true },
  { head: "Why", show: (run) => why(run), isWide: true },
];

const COLUMNS = {
  open: columnsWith({ head: "Enqueued", show: ({ enqueuedAt }) => html`<${Age} at=${enqueuedAt} ago />` }),
  closed: columnsWith({
    head: "Ended",
    show: (run) => html`<${Age} at=${"closedAt" in run ? run.closedAt : undefined} ago />`,
  }),
};
