import { odata, type TableClient } from "@azure/data-tables";
import type { KeyRange } from "../shared/adapters/tables/keys.ts";

/** Which part of a range a bare query asks for. */
export interface Part {
  /** Only so many rows at its front, 1,000 at most; by default all of them, page by page. */
  readonly first?: number;
  /** Only these columns beside the key. */
  readonly select?: readonly string[];
  /** What else the service has to look at in each row. */
  readonly filter?: string;
}

/** Makes the function that reads a range of rows by the SDK's client, and resolves to their number. */
export function makeBareQuery(table: TableClient) {
  return async (partitionKey: string, { from, below }: KeyRange, { first, select, filter }: Part = {}) => {
    const keys = odata`PartitionKey eq ${partitionKey} and RowKey ge ${from} and RowKey lt ${below}`;
    const queryOptions = {
      filter: filter === undefined ? keys : `${keys} and ${filter}`,
      ...(select === undefined ? {} : { select: ["RowKey", ...select] }),
    };
    let rows = 0;
    const pages = table.listEntities({ queryOptions }).byPage(first === undefined ? {} : { maxPageSize: first });
    for await (const page of pages) {
      rows += page.length;
      if (first !== undefined) break;
    }
    return rows;
  };
}
