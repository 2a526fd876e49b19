import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MAX_BUDGETED_ATTEMPTS, MAX_DELIVERIES } from "../../shared/run/retry-policy.ts";

const RELIABILITY = readFileSync("docs/reliability.md", "utf8");
const PROOF = readFileSync("docs/proof.md", "utf8");
const FOR_EVER = readFileSync("test/unit/reconcile/for-ever.test.ts", "utf8");
const TESTS = readFileSync("test/unit/reconcile/crash-table.test.ts", "utf8");

/** The crash table as the page prints it: number, crash, and how many tests. */
function printed() {
  const chapter = PROOF.split(/^## /m).find((text) => text.startsWith("The crash table\n")) ?? "";
  const rows = chapter.matchAll(/^\| (\d+) \| (.+?) \| .+? \| (\d+) \|$/gm);
  return [...rows].map(([, number, crash, tests]) => ({ number: Number(number), crash, tests: Number(tests) }));
}

/** The crash table as the tests define it. */
function tested() {
  const [, ...parts] = TESTS.split(/^describe\("row /m);
  return parts.map((part) => {
    const [, number, crash] = /^(\d+): (.+?)",/.exec(part) ?? [];
    const names = part.matchAll(/^ {2}(?:it\(|\] as const\)\(|\]\)\()"(.+?)", async/gm);
    return { number: Number(number), crash, tests: [...names].length };
  });
}

describe("docs/proof.md", () => {
  it("prints the nineteen rows of the crash table, each with the number of its tests", () => {
    expect(printed()).toEqual(tested());
    expect(printed().map(({ number }) => number)).toEqual(Array.from({ length: 19 }, (_, row) => row + 1));
    expect(printed().filter(({ tests }) => tests === 0)).toEqual([]);
  });
});

describe("docs/reliability.md", () => {
  it("calls an outage one for ever only if a test lasts a month", () => {
    const promised = [...RELIABILITY.matchAll(/^\| (.+?) \| for ever\b/gm)].map(([, what]) => what);
    const tested = [...FOR_EVER.matchAll(/^ +(?:\{ )?what: "(.+?)",/gm)].map(([, what]) => what);
    expect(promised).toContain("the cluster");
    expect(new Set(tested)).toEqual(new Set(promised));
  });

  it("reckons with the deliveries that the entities are made with", () => {
    const lockMinutes = /LOCK_DURATION[^|]*\| `(\d+)m`/.exec(readFileSync("docs/settings.md", "utf8"))?.[1];
    const hours = (MAX_DELIVERIES * Number(lockMinutes)) / 60;
    const minutes = Math.round((hours % 1) * 60);
    expect(RELIABILITY).toContain(`x ${lockMinutes} min = ${Math.floor(hours)} h ${minutes} min`);
  });

  it("says how many deliveries the budgets of a module may take", () => {
    expect(RELIABILITY).toContain(`more than ${MAX_BUDGETED_ATTEMPTS.toLocaleString("en")} together`);
  });
});
