import { type Children, html } from "../html.ts";
import type { Selection } from "./selection.ts";

/** A column of a table. */
export interface Column<Row> {
  readonly head: string;
  readonly show: (row: Row) => Children;
  /** Numbers and times stand at the right, one below the other. */
  readonly isNumber?: boolean;
  /** A time in words, which has a width of its own, so that it does not move the others as it goes on. */
  readonly isTime?: boolean;
  /** It takes the room that is left. */
  readonly isWide?: boolean;
}

interface TableProps<Row> {
  /** What the table is, for those who can't see it. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly name: (row: Row) => string;
  /** What a person has selected; undefined if nothing can be. */
  readonly selection?: Pick<Selection<unknown>, "selected" | "toggle" | "toggleAll">;
}

/** A table, which becomes a list of cards on a narrow screen. The first column is the head of its row. */
export function Table<Row>({ caption, columns, rows, name, selection }: TableProps<Row>) {
  const areAll = selection !== undefined && rows.every((row) => selection.selected.has(name(row)));
  return html`
    <table>
      <caption class="unseen">${caption}</caption>
      <thead>
        <tr>
          ${
            selection &&
            html`<th scope="col" class="tick">
              <label class="inline">
                <input type="checkbox" aria-label="Select all shown" checked=${areAll} onChange=${selection.toggleAll} />
                <span class="narrow">All shown</span>
              </label>
            </th>`
          }
          ${columns.map(({ head, isNumber }) => html`<th scope="col" class=${isNumber ? "number" : ""}>${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) => html`
            <tr key=${name(row)} data-row>
              ${
                selection &&
                html`<td class="tick">
                  <input
                    type="checkbox"
                    aria-label=${`Select ${name(row)}`}
                    checked=${selection.selected.has(name(row))}
                    onChange=${() => selection.toggle(name(row))}
                  />
                </td>`
              }
              ${columns.map((column, index) => cell(column, row, index))}
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

function cell<Row>({ head, show, isNumber, isTime, isWide }: Column<Row>, row: Row, index: number) {
  const classes = [isNumber ? "number" : "", isTime ? "time" : "", isWide ? "wide" : ""].join(" ").trim();
  return index === 0
    ? html`<th scope="row" class=${classes} data-head=${head}>${show(row)}</th>`
    : html`<td class=${classes} data-head=${head}>${show(row)}</td>`;
}
