import type { NotedLetter } from "../../shared/run/dead-letter.ts";
import { REASONS } from "../../shared/run/reasons.ts";
import { addressOf, Link, type Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { type Alike, type Letters, naming, purge, redrive } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton, type Deed } from "../parts/action.ts";
import { type Filter, Filters, spanFilters } from "../parts/filters.ts";
import { Pages } from "../parts/pages.ts";
import { RunName } from "../parts/run-name.ts";
import { type Selection, SelectionBar, useSelection } from "../parts/selection.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age } from "../time.ts";
import { useData, useModuleNames } from "../use-data.ts";

type Row = NotedLetter & { readonly id: string };
interface LettersPage {
  readonly letters: readonly Row[];
  readonly scanned: number;
  readonly next?: string;
}

const filtersFor = (modules: readonly string[]): readonly Filter[] => [
  { name: "module", label: "Module", offers: modules },
  { name: "reason", label: "Reason", choices: [["", "any"], ...REASONS.map((reason) => [reason, reason] as const)] },
  { name: "group", label: "Group" },
  { name: "exitCode", label: "Exit code" },
  ...spanFilters("Failed", "2h"),
];

/** Dead letters, the newest of each group first, page by page. */
export function DeadLettersView({ place }: { readonly place: Place }) {
  const { after, ...filters } = place.query;
  const loaded = useData<LettersPage>(
    withQuery("/dead-letters", { ...filters, after, limit: 100 }),
    after === undefined ? 10_000 : undefined,
  );
  const { letters = [], next } = loaded.data ?? {};
  const selection = useSelection(addressOf(place.steps, filters), letters);
  const isMore = next !== undefined || after !== undefined;
  const modules = useModuleNames();
  const alike = alikeBy(filters);
  const chosen = selection.isAll ? [] : selection.rows;
  const runs = chosen.map(({ id }) => id);
  const which = runs.length > 0 ? { runs } : loaded.problem || selection.isHidden ? undefined : alike;
  const about = (deed: Deed) => (runs.length > 0 ? naming(deed, chosen) : deed);
  const isSelected = selection.isAll || runs.length > 0;
  const deeds =
    which &&
    html`
      <${ActionButton} deed=${about(redrive(which))} onDone=${selection.clear} />
      ${mayPurge(which) && html`<${ActionButton} deed=${about(purge(which))} onDone=${selection.clear} />`}
    `;
  return html`
    <${View} title="Dead letters" aside=${!isSelected && deeds}>
      <${Filters} place=${place} filters=${filtersFor(modules)} />
      <${SelectionBar} selection=${selection} shown=${letters} mayAll=${isMore && alike !== undefined}>${isSelected && deeds}<//>
      <${Ready} loaded=${loaded} show=${(page: LettersPage) => shown(page, place, selection)} />
    <//>
  `;
}

/** What the letters of a list have in common, by its filters; undefined if it has none. */
function alikeBy({ exitCode, ...filters }: Record<string, string>): Alike | undefined {
  const set = Object.entries(filters).filter(([, value]) => value !== "");
  if (exitCode) return { ...Object.fromEntries(set), exitCode: Number(exitCode) };
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

/** A purge of all that match knows neither exit code nor time, so that it would be one of more than the list has. */
function mayPurge(which: Letters): boolean {
  return !("exitCode" in which || "since" in which || "until" in which);
}

function shown({ letters, scanned, next }: LettersPage, place: Place, selection: Selection<Row>) {
  // A list that is whole comes by its ends. The pages of a longer one come group by group.
  const isWhole = next === undefined && place.query["after"] === undefined;
  const rows = isWhole ? letters.toSorted((a, b) => b.closedAt - a.closedAt) : letters;
  return html`
    ${
      letters.length === 0
        ? html`<${Nothing}>${next === undefined ? "There are no such dead letters." : `None among the first ${scanned}.`}<//>`
        : html`<${Table} caption="Dead letters" columns=${COLUMNS} rows=${rows} name=${({ id }: Row) => id} selection=${selection} />`
    }
    <${Pages} place=${place} next=${next}>
      <span class="hint">${letters.length} shown${scanned > letters.length && `, ${scanned} read`}</span>
      <${Link} to=${addressOf(["dead-letters", "others"])}>Dead letters of others<//>
    <//>
  `;
}

const COLUMNS: readonly Column<Row>[] = [
  { head: "Run", show: (letter) => html`<${RunName} ...${letter} />` },
  { head: "Module", show: ({ module }) => html`<${Plain} text=${module || "–"} />` },
  { head: "Reason", show: ({ reason }) => reason },
  { head: "Exit", show: ({ exitCode }) => exitCode ?? "–", isNumber: true },
  { head: "Tries", show: ({ attempts }) => attempts, isNumber: true },
  { head: "Ended", show: ({ closedAt }) => html`<${Age} at=${closedAt} ago />`, isNumber: true, isTime: true },
  {
    head: "Last words",
    show: ({ lastWords, group }) => html`<${Plain} text=${(lastWords ?? group.text) || "–"} mono />`,
    isWide: true,
  },
];
