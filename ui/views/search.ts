import { useEffect } from "preact/hooks";
import { addressOf, go, Link } from "../address.ts";
import { withQuery } from "../api.ts";
import { html } from "../html.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age } from "../time.ts";
import { useData } from "../use-data.ts";

interface Row {
  readonly id: string;
  readonly enqueuedAt: number;
}
interface Found {
  readonly by?: string;
  readonly runs: readonly Row[];
  readonly isMore: boolean;
}

/** The runs that an id may mean. If it is one, the page goes there. */
export function SearchView({ id }: { readonly id: string }) {
  const loaded = useData<Found>(id === "" ? undefined : withQuery("/search", { id }));
  const runs = loaded.data?.runs ?? [];
  const only = runs.length === 1 ? runs[0]?.id : undefined;
  useEffect(() => {
    if (only !== undefined) go(addressOf(["runs", only]), { isSame: true });
  }, [only]);
  return html`
    <${View} title=${`Search: ${id}`}>
      <${Ready} loaded=${loaded} show=${shown} />
    <//>
  `;
}

function shown({ by, runs, isMore }: Found) {
  if (runs.length === 0)
    return html`<${Nothing}>No run has this id, and no message of a run has it as its id or correlation id. What an older release accepted is found by the run's own id alone.<//>`;
  return html`
    <p>${isMore && "More than "}${runs.length} runs have this ${by}.</p>
    <${Table} caption="Runs that were found" columns=${COLUMNS} rows=${runs.toSorted((a, b) => b.enqueuedAt - a.enqueuedAt)} name=${({ id }: Row) => id} />
  `;
}

const COLUMNS: readonly Column<Row>[] = [
  { head: "Run", show: ({ id }) => html`<${Link} to=${addressOf(["runs", id])}><${Plain} text=${id} mono /><//>` },
  { head: "Age", show: ({ enqueuedAt }) => html`<${Age} at=${enqueuedAt} />`, isNumber: true },
];
