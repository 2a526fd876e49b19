import { useRef, useState } from "preact/hooks";
import type { Problem } from "../../shared/api/problem.ts";
import { type Children, html } from "../html.ts";
import { countText } from "./number.ts";
import { ProblemNote } from "./view.ts";

/** What a person has selected of a list. */
export interface Selection<Row> {
  /** Those of the shown rows that are selected, or else all that match the filters. */
  readonly rows: readonly Row[];
  /** Whether these are all that match, and not only shown ones. */
  readonly isAll: boolean;
  readonly selected: ReadonlySet<string>;
  /** Whether something is selected, and the list shows nothing of it any more. */
  readonly isHidden: boolean;
  readonly toggle: (id: string) => void;
  /** Selects all shown rows, or none. */
  readonly toggleAll: () => void;
  readonly chooseAll: (all: readonly Row[]) => void;
  readonly clear: () => void;
}

interface State<Row> {
  readonly list: string;
  readonly ids: ReadonlySet<string>;
  readonly all?: readonly Row[];
}

/** Keeps what is selected of the list of this address. Of another list nothing is. */
export function useSelection<Row extends { readonly id: string }>(list: string, shown: readonly Row[]): Selection<Row> {
  const [state, setState] = useState<State<Row>>({ list, ids: new Set() });
  const { ids, all } = state.list === list ? state : { ids: new Set<string>(), all: undefined };
  const rows = shown.filter(({ id }) => ids.has(id));
  const select = (next: Iterable<string>) => setState({ list, ids: new Set(next) });
  return {
    rows: all ?? rows,
    isAll: all !== undefined,
    isHidden: all === undefined && ids.size > 0 && rows.length === 0,
    selected: all === undefined ? ids : new Set(shown.map(({ id }) => id)),
    toggle(id) {
      const next = new Set(all === undefined ? ids : shown.map((row) => row.id));
      if (!next.delete(id)) next.add(id);
      select(next);
    },
    toggleAll: () => select(rows.length === shown.length || all ? [] : shown.map(({ id }) => id)),
    chooseAll: (found) => setState({ list, ids: new Set(), all: found }),
    clear: () => select([]),
  };
}

/** A page of all that match. */
interface Part<Row> {
  readonly rows: readonly Row[];
  readonly next?: string | undefined;
}

interface BarProps<Row> {
  readonly selection: Selection<Row>;
  readonly shown: readonly Row[];
  /** Whether more match than are shown, and all of them can be selected. */
  readonly mayAll: boolean;
  /** Reads the next of all that match. Without it nobody has to know which they are. */
  readonly read?: (from: string | undefined) => Promise<Part<Row> | { readonly problem: Problem }>;
  /** So many are read at most. */
  readonly most?: number;
  /** What may be done to what is selected. */
  readonly children?: Children;
}

/** Says what is selected, and offers all that match the filters once all shown rows are. */
export function SelectionBar<Row>({ selection, shown, mayAll, read, most = shown.length, children }: BarProps<Row>) {
  const [found, setFound] = useState<number>();
  const [problem, setProblem] = useState<Problem>();
  const isStopped = useRef(false);
  const gather = async () => {
    isStopped.current = false;
    setProblem(undefined);
    if (!read) {
      selection.chooseAll(shown);
      return;
    }
    const all: Row[] = [];
    let from: string | undefined;
    do {
      setFound(all.length);
      const part = await read(from);
      if ("problem" in part) {
        setProblem(part.problem);
        setFound(undefined);
        return;
      }
      all.push(...part.rows);
      from = part.next;
    } while (from !== undefined && all.length < most && !isStopped.current);
    setFound(undefined);
    if (!isStopped.current) selection.chooseAll(all.slice(0, most));
  };
  const { rows, isAll, isHidden, clear } = selection;
  if (rows.length === 0 && !isAll && !isHidden) return problem ? html`<${ProblemNote} problem=${problem} />` : null;
  return html`
    <div class="selection" role="status">
      ${
        found === undefined
          ? html`
              <span>${isAll ? allText(rows.length, read && most) : isHidden ? "Those selected are gone from the list" : `${countText(rows.length)} selected`}</span>
              ${!isAll && mayAll && rows.length === shown.length && html`<button type="button" class="small" onClick=${gather}>Select all that match</button>`}
              <button type="button" class="small" onClick=${clear}>Clear</button>
              ${children}
            `
          : html`
              <span>Looking for all that match: ${countText(found)} so far</span>
              <button type="button" class="small" onClick=${() => (isStopped.current = true)}>Stop</button>
            `
      }
      ${problem && html`<${ProblemNote} problem=${problem} />`}
    </div>
  `;
}

function allText(count: number, most: number | undefined): string {
  if (most === undefined) return "All that match are selected";
  return `${count === most ? "The first " : "All "}${countText(count)} that match are selected`;
}
