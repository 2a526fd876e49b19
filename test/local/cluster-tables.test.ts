import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { jobPrinter, type Printer, podPrinter, toTable } from "../../local/cluster/api/tables.ts";
import type { StoredObject } from "../../local/cluster/store/wire.ts";
import { jobs, pods } from "../fixtures/kubernetes/print/cases.js";

const Table = z.object({
  columnDefinitions: z.array(z.object({ name: z.string(), priority: z.number() })),
  rows: z.array(z.object({ cells: z.array(z.union([z.string(), z.number()])) })),
});

/** The release that the local cluster says it is. */
const RELEASE = "test/fixtures/kubernetes/tables/1.36.3";

/** The names of the columns, and the cells of each row as text. */
function printed(table: unknown) {
  const { columnDefinitions, rows } = Table.parse(table);
  return {
    columns: columnDefinitions.map(({ name, priority }) => [name, priority]),
    rows: rows.map(({ cells }) => cells.map(String)),
  };
}

/** The table of the local cluster's own printer. */
function ownTable<T extends StoredObject>(printer: Printer<T>, objects: readonly object[]): unknown {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- These are objects of the API, as they are sent.
  return toTable(printer, JSON.parse(JSON.stringify(objects)) as T[], "None", {});
}

test.each([
  { kind: "Jobs", file: "jobs", own: () => ownTable(jobPrinter, jobs(new Date())) },
  { kind: "pods", file: "pods", own: () => ownTable(podPrinter, pods(new Date())) },
])("prints $kind as Kubernetes does", ({ file, own }) => {
  const theirs: unknown = JSON.parse(readFileSync(`${RELEASE}/${file}.json`, "utf8"));
  expect(printed(own())).toEqual(printed(theirs));
});
