import { useEffect } from "preact/hooks";
import type { RunFound } from "../../shared/operate/views/find-runs.ts";
import { addressOf, go, Link } from "../address.ts";
import { withQuery } from "../api.ts";
import { html } from "../html.ts";
import { StatusChip } from "../parts/chip.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age } from "../time.ts";
import { useData } from "../use-data.ts";

interface Found {
  readonly by?: string;
  readonly runs: readonly RunFound[];
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
    <p>${isMore ? `Many runs have this ${by}. These are ${runs.length} of them.` : `${runs.length} runs have this ${by}.`}</p>
    <${Table} caption="Runs that were found" columns=${COLUMNS} rows=${runs.toSorted((a, b) => b.enqueuedAt - a.enqueuedAt)} name=${({ id }: RunFound) => id} />
  `;
}

const COLUMNS: readonly Column<RunFound>[] = [
  { head: "Run", show: ({ id }) => html`<${Link} to=${addressOf(["runs", id])}><${Plain} text=${id} mono /><//>` },
  { head: "Module", show: ({ module }) => html`<${Plain} text=${module || "–"} />` },
  { head: "Status", show: ({ status }) => (status ? html`<${StatusChip} status=${status} />` : "–") },
  { head: "Message id", show: ({ messageId }) => html`<${Plain} text=${messageId || "–"} mono />`, isWide: true },
  { head: "Age", show: ({ enqueuedAt }) => html`<${Age} at=${enqueuedAt} />`, isNumber: true, isTime: true },
];
