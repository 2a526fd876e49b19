import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ALL_EDGES, DEMANDED_EDGES } from "../../prove/faults/edges.ts";

const PAGE = readFileSync("docs/proof.md", "utf8");

it("docs/proof.md says on how many calls the proof demands faults, and lists the others", () => {
  expect(PAGE).toContain(`One of ${DEMANDED_EDGES.length} calls`);
  const [, table = ""] = /^\| call \| why .+\n\| --- .+\n((?:\|.+\n)+)/m.exec(PAGE) ?? [];
  const listed = table
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""));
  const demanded = new Set(DEMANDED_EDGES);
  expect(listed.toSorted()).toEqual(ALL_EDGES.filter((edge) => !demanded.has(edge)).toSorted());
});
