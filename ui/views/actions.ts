import { timeText } from "../../cli/text/times.ts";
import type { ActionPage, ActionShown } from "../../shared/operate/views/actions.ts";
import { isRecord } from "../../shared/plain-data.ts";
import { addressOf, Link, type Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { html } from "../html.ts";
import { Pages } from "../parts/pages.ts";
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
    <${Pages} place=${place} next=${next} />
  `;
}

const COLUMNS: readonly Column<ActionShown>[] = [
  { head: "When", show: ({ at }) => html`<${Age} at=${at} ago />`, isTime: true },
  { head: "Who", show: ({ who }) => html`<${Plain} text=${who} />` },
  {
    head: "What",
    show: ({ what, facts }) =>
      html`<${Plain} text=${what} /><div class="under"><${Plain} text=${factsText(facts)} /></div>`,
  },
  { head: "To", show: ({ subject }) => html`<${Subject} name=${subject} />` },
  { head: "Why", show: ({ why }) => html`<${Plain} text=${why ?? "–"} />`, isWide: true },
];

/** Says the facts of an action in words, such as `50 per second, group 7a480dbea22c`. */
function factsText(facts: ActionShown["facts"]): string {
  return Object.entries(facts)
    .flatMap(([name, value]) => factTexts(name, value))
    .join(", ");
}

function factTexts(name: string, value: unknown): string[] {
  switch (name) {
    case "wanted":
      return Object.entries(wantedIn(value)).map(
        ([of, what]) => `${of} ${Array.isArray(what) ? what.length : String(what)}`,
      );
    case "perSecond":
      return [`${String(value)} per second`];
    case "most":
      return [`${String(value)} at most`];
    case "slots":
      return [value === 0 ? "was paused" : `${String(value)} slots`];
    case "until":
      return [typeof value === "number" ? `until ${timeText(value)}` : `until ${String(value)}`];
    default:
      return [`${name} ${String(value)}`];
  }
}

/** Reads which dead letters a redrive wanted, which stand in the log as JSON. */
function wantedIn(value: unknown): object {
  try {
    const wanted: unknown = JSON.parse(String(value));
    return isRecord(wanted) ? wanted : { wanted: value };
  } catch {
    return { wanted: value };
  }
}

/** Links what names a run. */
function Subject({ name }: { readonly name: string }) {
  const isRun = /:\d+:\d+/.test(name);
  const text = html`<${Plain} text=${name} mono />`;
  return isRun ? html`<${Link} to=${addressOf(["runs", name])}>${text}<//>` : text;
}
