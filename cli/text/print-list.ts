import type { Output } from "./output.ts";
import { plainJson, plainText } from "./plain-text.ts";
import { note, print } from "./print.ts";
import { type Column, tableText } from "./table.ts";

/** How a list is printed in each form. */
interface ListForms<Row> {
  readonly columns: readonly Column<Row>[];
  readonly name: (row: Row) => string;
  /** Told to a person, on stderr, if there are no rows. */
  readonly none: string;
}

/** Prints a list in the form that was asked for. JSON is one array. */
export function printList<Row>(rows: readonly Row[], output: Output, { columns, name, none }: ListForms<Row>): void {
  if (output === "json") print(plainJson(rows, 2));
  else if (rows.length === 0) note(none);
  else if (output === "name") for (const row of rows) print(plainText(name(row)));
  else print(tableText(columns, rows));
}
